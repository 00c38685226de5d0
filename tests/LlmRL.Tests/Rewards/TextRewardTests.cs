using LlmRL.Data;
using LlmRL.Rewards;
using LlmRL.Rollouts;

namespace LlmRL.Tests.Rewards;

/// <summary>Formulas against values worked out by hand.</summary>
public sealed class TextRewardTests
{
    private static readonly Example Sum = new() { Prompt = "Q: 9+9\nA:", Answer = "18" };

    [Theory]
    [InlineData("<think>a</think><answer>b</answer>", 1, 1, 1)]
    [InlineData(" <think>a</think>\n<answer>b</answer>\n", 1, 1, 1)]
    [InlineData("So <think>a</think> then <answer>b</answer>.", 1, 0, 0.8)] // text outside: four of five conditions
    [InlineData("<answer>b</answer><think>a</think>", 0, 0, 0.4)] // wrong order: think opens and closes, answer stands before it
    [InlineData("<think>a<answer>b</answer></think>", 0, 0, 0.4)] // nested: the answer's tags stand before the closing one
    [InlineData("<think>a</think><think>b</think><answer>c</answer>", 0, 0, 0.4)] // twice: only the answer's two tags hold
    [InlineData("<think>a<answer>b</answer>", 0, 0, 0.6)] // not closed
    [InlineData("18", 0, 0, 0)]
    [InlineData("", 0, 0, 0)]
    public void Format_wants_each_tag_once_and_in_order(string text, double loose, double strict, double partial)
    {
        Assert.Equal(loose, new FormatReward().Score(Sum, text));
        Assert.Equal(strict, new FormatReward { Strict = true }.Score(Sum, text));
        Assert.Equal(partial, new FormatReward { Strict = true, Partial = true }.Score(Sum, text), 12);
    }

    [Fact]
    public void Format_takes_the_tag_that_the_prompt_opened_and_may_want_text_in_blocks()
    {
        var opened = new Example { Prompt = "Q: 9+9\nA: <think>\n" };
        Assert.Equal(1, new FormatReward { Strict = true }.Score(opened, "hm</think><answer>18</answer>"));
        Assert.Equal(0, new FormatReward { Strict = true }.Score(Sum, "hm</think><answer>18</answer>"));
        Assert.Equal(0, new FormatReward { NonEmpty = true }.Score(Sum, "<think> </think><answer>18</answer>"));
        Assert.Equal(0.75, new FormatReward { NonEmpty = true, Partial = true }.Score(Sum, "<think> </think><answer>18</answer>"));
        Assert.Single(new FormatReward { Tags = ["<a>"] }.Validate());
        Assert.Single(new FormatReward { Tags = ["a", "a"] }.Validate());
    }

    [Theory]
    [InlineData("a b c a b c", 3, -0.25)] // abc bca cab abc: three of four are distinct
    [InlineData("A b c a B c", 3, -0.25)]
    [InlineData("a a a a a", 2, -0.75)]
    [InlineData("a b c d", 2, 0)]
    [InlineData("a b", 3, 0)]
    [InlineData("", 1, 0)]
    public void Repetition_is_the_share_of_ngrams_that_occurred_before(string text, int n, double expected) =>
        Assert.Equal(expected, new RepetitionReward { N = n }.Score(Sum, text), 12);

    [Fact]
    public void Repetition_counts_tokens_where_asked()
    {
        IReward reward = new RepetitionReward { N = 2, MaxPenalty = -2, Tokens = true };
        Assert.Equal(-2 * (1 - 2.0 / 4), reward.Score(Sampled("x", 7, 8, 7, 8, 7)), 12);
    }

    [Theory]
    [InlineData("#### 18", 0, 1)]
    [InlineData("#### 18", 50, 0.75)] // half way between 1 and 0.5
    [InlineData("#### 18", 25, 0.5 + 0.25 * (1 + 0.70710678118654752))]
    [InlineData("#### 18", 100, 0.5)]
    [InlineData("#### 18", 170, 0.5)]
    [InlineData("#### 17", 0, -1)]
    [InlineData("#### 17", 50, -0.75)]
    [InlineData("#### 17", 100, -0.5)]
    public void Cosine_pays_for_short_right_and_long_wrong_answers(string text, int tokens, double expected)
    {
        IReward reward = new CosineLengthReward { MaxLen = 100 };
        Assert.Equal(expected, reward.Score(Sampled(text, new int[tokens])), 12);
        IReward limited = new CosineLengthReward { MaxLen = 100, ExceedLength = -3 };
        Assert.Equal(tokens >= 100 ? -3 : expected, limited.Score(Sampled(text, new int[tokens])), 12);
    }

    [Theory]
    [InlineData(LengthSide.Both, 2, -0.5)]
    [InlineData(LengthSide.Both, 7, -0.75)]
    [InlineData(LengthSide.Longer, 2, 0)]
    [InlineData(LengthSide.Longer, 7, -0.75)]
    [InlineData(LengthSide.Shorter, 2, -0.5)]
    [InlineData(LengthSide.Shorter, 7, 0)]
    public void Length_may_count_tokens_and_one_side_only(LengthSide side, int tokens, double expected)
    {
        IReward reward = new LengthReward { Target = 4, Penalize = side, Unit = TextUnit.Tokens };
        Assert.Equal(expected, reward.Score(Sampled("one", new int[tokens])));
    }

    internal static Trajectory Sampled(string text, params int[] tokens) => new()
    {
        Example = Sum,
        Prompt = [1],
        Text = text,
        Completion = new Completion(0, 0, tokens, new float[tokens.Length], FinishReason.Stop),
    };
}
