using LlmRL.Rewards;

namespace LlmRL.Tests.Rewards;

/// <summary>The tables of <see cref="MathCases"/>, and what each option of strictness changes.</summary>
public sealed class MathVerifierCaseTests
{
    [Fact]
    public void Every_pair_of_the_tables_gets_its_verdict()
    {
        var pairs = MathCases.All().ToList();
        Assert.True(pairs.Count > 600, $"{pairs.Count} pairs");
        Assert.Empty(pairs.Where(pair => MathVerifier.Verify(pair.Gold, pair.Answer) != pair.Equal).Select(pair => $"{pair.Gold} ¦ {pair.Answer} should be {pair.Equal}"));
    }

    [Theory]
    [InlineData("5 cm", "5 m", UnitRule.Ignore, true)]
    [InlineData("5 cm", "5 m", UnitRule.Compatible, false)]
    [InlineData("5 cm", "5", UnitRule.Compatible, true)]
    [InlineData("5 cm", "5", UnitRule.Required, false)]
    [InlineData("5 cm", "5\\text{ centimeters}", UnitRule.Required, true)]
    [InlineData("5", "5 cm", UnitRule.Required, false)]
    public void Units_follow_the_rule(string gold, string answer, UnitRule rule, bool equal) =>
        Assert.Equal(equal, MathVerifier.Verify(gold, answer, new MathOptions { Units = rule }));

    [Theory]
    [InlineData("50\\%", "0.5", PercentRule.Number, false)]
    [InlineData("50\\%", "0.5", PercentRule.Fraction, true)]
    [InlineData("50\\%", "50", PercentRule.Fraction, false)]
    [InlineData("1/2", "50%", PercentRule.Fraction, true)]
    [InlineData("50\\%", "50 percent", PercentRule.Fraction, true)]
    [InlineData("50\\%", "50", PercentRule.Either, true)]
    [InlineData("50\\%", "0.5", PercentRule.Either, true)]
    [InlineData("50\\%", "5", PercentRule.Either, false)]
    public void Percent_follows_the_rule(string gold, string answer, PercentRule rule, bool equal) =>
        Assert.Equal(equal, MathVerifier.Verify(gold, answer, new MathOptions { Percent = rule }));

    [Theory]
    [InlineData("1/3", "0.333", 0.01, true)]
    [InlineData("1/3", "0.333", 0, false)]
    [InlineData("\\sqrt{2}", "1.41", 0.01, true)]
    [InlineData("\\sqrt{2}", "1.5", 0.01, false)]
    [InlineData("x+1", "x+1.001", 0.01, false)]
    public void Tolerance_is_relative_to_the_gold_answer(string gold, string answer, double tolerance, bool equal) =>
        Assert.Equal(equal, MathVerifier.Verify(gold, answer, new MathOptions { Tolerance = tolerance }));

    [Theory]
    [InlineData("#### 5", AnswerPlace.Boxed, false)]
    [InlineData("#### 5", AnswerPlace.Marked, true)]
    [InlineData("<answer>5</answer>", AnswerPlace.Marked, true)]
    [InlineData("\\boxed{5}", AnswerPlace.Boxed, true)]
    [InlineData("the answer is 5", AnswerPlace.Marked, false)]
    [InlineData("the answer is 5", AnswerPlace.Any, true)]
    public void Extraction_follows_the_place(string solution, AnswerPlace place, bool equal) =>
        Assert.Equal(equal, MathVerifier.Verify("5", solution, new MathOptions { Extraction = place }));
}
