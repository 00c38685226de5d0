using LlmRL.Data;
using LlmRL.Rewards;

namespace LlmRL.Tests.Rewards;

public sealed class RewardTests
{
    private static readonly Example Sum = new() { Prompt = "Q: 9+9\nA:", Answer = "18" };

    [Theory]
    [InlineData(" 9+9=18\n#### 18", false, 0, 1)]
    [InlineData(" 9+9=17\n#### 17", false, 0, 0)]
    [InlineData("18", false, 0.1, 1)]
    [InlineData("18", true, 0, 0)]
    [InlineData("#### 17", false, 0.1, 0.1)]
    [InlineData("\\boxed{18}", true, 0.1, 1.1)]
    [InlineData("", false, 0.1, 0)]
    public void Math_pays_for_the_right_answer(string completion, bool strict, double bonus, double expected) =>
        Assert.Equal(expected, new MathReward { Strict = strict, FormatBonus = bonus }.Score(Sum, completion));

    [Fact]
    public void Math_takes_the_gold_answer_from_a_worked_solution()
    {
        var example = new Example { Prompt = "?", Completion = "She has 2*9 = <<2*9=18>>18.\n#### 18" };
        Assert.Equal(1, new MathReward().Score(example, "2*9 = 18, so the answer is 18."));
        Assert.Equal(0, new MathReward().Score(example, "2*9 = 18, so the answer is 2."));
        Assert.Equal(0, new MathReward().Score(new Example { Prompt = "?" }, "18"));
    }

    [Fact]
    public void Math_pays_every_demonstration_of_the_generator()
    {
        foreach (var working in new[] { true, false })
        {
            var source = new ArithmeticGenerator(DataSplit.Sft, 500, new ArithmeticSettings { Working = working, Operators = "+-*" });
            Assert.All(Enumerable.Range(0, 500), i => Assert.Equal(1, new MathReward { Strict = true }.Score(source[i], source[i].Completion!)));
        }
    }

    [Theory]
    [InlineData("one two three four", 0)]
    [InlineData("one two", -0.5)]
    [InlineData("", -1)]
    [InlineData("one two three four five", 0)] // within the tolerance
    [InlineData("a a a a a a a a a a a a a a a", -1)] // clipped
    public void Length_falls_off_on_both_sides(string text, double expected) =>
        Assert.Equal(expected, new LengthReward { Target = 4, Tolerance = text.StartsWith("one two three", StringComparison.Ordinal) ? 1 : 0 }.Score(Sum, text));

    [Fact]
    public void Regex_matches_or_not()
    {
        var reward = new RegexReward { Pattern = @"^\s*<think>[\s\S]+</think>\s*\S" };
        Assert.Equal(1, reward.Score(Sum, " <think>\nhm\n</think> 4"));
        Assert.Equal(0, reward.Score(Sum, "4 <think>hm</think>"));
        Assert.Contains("(?<=x)", Assert.Throws<BadInputException>(() => new RegexReward { Pattern = "(?<=x)y" }).Message, StringComparison.Ordinal);
        Assert.Throws<BadInputException>(() => new RegexReward { Pattern = "(" });
        Assert.Equal(new RegexReward { Pattern = "a" }, new RegexReward { Pattern = "a" });
    }

    [Theory]
    [InlineData("The Dog was happy.", 1)]
    [InlineData("The dog ran.", 0.5)]
    [InlineData("dogs, happily", -0.5)] // other words, and no full stop
    [InlineData("happy dog, sad cat.", 0)] // a forbidden word
    public void Keywords_count_whole_words(string text, double expected) =>
        Assert.Equal(expected, new KeywordReward { Words = ["dog", "happy"], Forbidden = ["cat"], EndsWith = ".!?" }.Score(Sum, text));

    [Fact]
    public void Keywords_count_occurrences_and_see_repetition()
    {
        var reward = new KeywordReward { Words = ["dog"], MaxCount = 4, RepetitionPenalty = 1 };
        Assert.Equal(0.5, reward.Score(Sum, "a dog and another dog"));
        // Ten words make eight triples, of which dog dog dog is new once.
        Assert.Equal(1 - (7.0 / 8), reward.Score(Sum, string.Join(' ', Enumerable.Repeat("dog", 10))), 12);
    }

    [Fact]
    public void Gold_is_the_judges_utility()
    {
        var example = new TldrGenerator(DataSplit.Test, 1)[0];
        Assert.Equal(TldrJudge.Utility(example.Prompt, example.Completion!), new GoldReward().Score(example, example.Completion!));
    }
}
