using LlmRL.Data;
using LlmRL.Evaluation;
using LlmRL.Recipes;
using LlmRL.Rollouts;

namespace LlmRL.Tests.Evaluation;

public class PassRatesTests
{
    private const double Tight = 1e-12;

    private static readonly Example[] Problems =
    [
        new() { Prompt = "a", Answer = "1", Difficulty = 2 },
        new() { Prompt = "b", Answer = "1/2", Difficulty = 2 },
        new() { Prompt = "c", Answer = "3", Difficulty = 3 },
        new() { Prompt = "d", Answer = "4", Difficulty = 3 },
    ];

    [Fact]
    public void Votes_count_answers_that_mean_the_same_as_one()
    {
        // Votes: 1 wins; ½ has two votes in two spellings and wins; 7 wins over 3 with two votes; none answered.
        var rates = Measure(new PassRates(Stage, Problems), isReference: true, ["1 1 5", "1/2 0.5 9", "7 3 7", "- - -"]);

        Assert.Equal(0.5, rates["maj@3/p"], Tight);
        Assert.Equal(1, rates["maj@3[difficulty=2]/p"], Tight);
        Assert.Equal(0, rates["maj@3[difficulty=3]/p"], Tight);
        // The first vote alone: 1 and 1/2 are right.
        Assert.Equal(0.5, rates["maj@1/p"], Tight);
        Assert.Equal((2 / 3.0 + 2 / 3.0 + 1 / 3.0 + 0) / 4, rates["pass@1/p"], Tight);
        Assert.Equal(0.75, rates["pass@3/p"], Tight);
        Assert.Equal(0.5, rates["pass@3[difficulty=3]/p"], Tight);
        Assert.DoesNotContain("newly_solved/p", rates.Keys);
    }

    [Fact]
    public void Newly_solved_is_a_share_of_what_the_reference_never_solved()
    {
        var rates = new PassRates(Stage, Problems);
        Measure(rates, isReference: true, ["1 1 1", "8 8 8", "8 8 8", "8 8 8"]);

        Assert.Equal(1 / 3.0, Measure(rates, isReference: false, ["8 8 8", "8 8 8", "8 3 8", "8 8 8"])["newly_solved/p"], Tight);
        Assert.Equal(1, Measure(rates, isReference: false, ["8 8 8", "0.5 8 8", "3 3 3", "4 8 4"])["newly_solved/p"], Tight);
    }

    private static Evaluate Stage { get; } =
        new() { Name = "eval", Policies = ["p"], Data = new DataSource { Generator = "arithmetic" }, PassAtK = [1, 3], MajAtK = [1, 3] };

    private static Dictionary<string, double> Measure(PassRates rates, bool isReference, string[] answers)
    {
        var groups = answers.Select((line, i) => line.Split(' ').Select(answer => new Trajectory
        {
            Example = Problems[i],
            Prompt = [1],
            Completion = new Completion(i, 0, [1], [0], FinishReason.Stop),
            Text = answer == "-" ? "" : $"so #### {answer}",
        }).ToArray()).ToArray();
        var rows = new MeasuredRows("p");
        rates.Add(groups, isReference, rows);
        return rows.All.ToDictionary();
    }
}
