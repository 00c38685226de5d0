using System.Text.Json;
using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Runs;

namespace LlmRL.Tests.Training;

/// <summary>Pairs that a policy makes and a judge labels.</summary>
public class LabelTests
{
    private const string Sampling = "data: { generator: arithmetic, split: reward, count: 60 }, max_completion_length: 8";
    private const string Judge = "judge: { length: { target: 8, characters: true } }";

    private static JsonElement[] Rows(TinyRun run, string stage) =>
        [.. File.ReadLines(Label.FileOf(run.Directory, stage)).Select(line => JsonDocument.Parse(line).RootElement)];

    private static (string Chosen, string Rejected, double Better, double Worse)[] Pairs(TinyRun run, string stage) => [.. Rows(run, stage).Select(row =>
        (row.GetProperty("chosen").GetString()!, row.GetProperty("rejected").GetString()!, row.GetProperty("chosen_score").GetDouble(), row.GetProperty("rejected_score").GetDouble()))];

    [Fact]
    public void Without_noise_the_better_one_is_chosen_and_scores_are_the_judges()
    {
        using var run = new TinyRun($$"""  - label: { name: labels, policy: base, {{Judge}}, pairs: 30, label_noise: 0, {{Sampling}} }""");
        var pairs = Pairs(run, "labels");
        Assert.Equal(30, pairs.Length);
        Assert.All(pairs, pair => Assert.True(pair.Better >= pair.Worse));
        Assert.All(pairs, pair => Assert.NotEqual(pair.Chosen, pair.Rejected));
        Assert.Contains(pairs, pair => pair.Better > pair.Worse);
        var stage = run.Summary.Stage("labels")!;
        Assert.Equal(30, stage.Metrics["pairs"]);
        Assert.Equal(pairs.Average(pair => pair.Better > pair.Worse ? 1 : 0.5), stage.Metrics["accuracy"], 1e-9);
        Assert.Equal(stage.Metrics["accuracy_limit"], stage.Metrics["accuracy"], 1e-9);
        // Each prompt is one of the data's, and none is asked twice.
        var generator = Generators.Create("arithmetic", "reward", 60, null);
        var prompts = Rows(run, "labels").Select(row => row.GetProperty("prompt").GetString()!).ToArray();
        Assert.Empty(prompts.Except(Enumerable.Range(0, 60).Select(i => generator[i].Prompt)));
        Assert.True(prompts.Distinct().Count() > 25);
    }

    /// <summary>Each pair's label is a Bernoulli draw with p = σ(Δ/τ): the number of labels that agree is within five standard deviations of Σp.</summary>
    [Fact]
    public void Noise_is_that_of_Bradley_and_Terry()
    {
        using var run = new TinyRun($$"""  - label: { name: labels, policy: base, {{Judge}}, pairs: 400, label_noise: 0.2, data: { generator: arithmetic, split: reward, count: 500 }, max_completion_length: 8 }""");
        var pairs = Pairs(run, "labels");
        Assert.Equal(400, pairs.Length);
        double[] p = [.. pairs.Select(pair => 1 / (1 + Math.Exp(-Math.Abs(pair.Better - pair.Worse) / 0.2)))];
        var agree = pairs.Sum(pair => pair.Better > pair.Worse ? 1.0 : pair.Better == pair.Worse ? 0.5 : 0);
        Assert.InRange(agree, 1, 399);
        Assert.Equal(p.Sum(), agree, 5 * Math.Sqrt(p.Sum(q => q * (1 - q))));
        Assert.Equal(p.Average(), run.Summary.Stage("labels")!.Metrics["accuracy_limit"], 1e-9);
        Assert.True(p.Max() > 0.6, "the scores do not differ, so that the test would say nothing");
    }

    [Fact]
    public void A_reward_model_learns_from_them_and_pairs_add_up()
    {
        using var run = new TinyRun($$"""
              - label: { name: labels-1, policy: base, {{Judge}}, pairs: 8, {{Sampling}} }
              - label: { name: labels-2, policy: base, {{Judge}}, pairs: 5, after: labels-1, {{Sampling}} }
              - reward_model: { name: rm, data: { stage: labels-2 }, steps: 2, batch_size: 13 }
            """);
        Assert.Equal(13, Rows(run, "labels-2").Length);
        Assert.Equal(File.ReadAllLines(Label.FileOf(run.Directory, "labels-1")), File.ReadLines(Label.FileOf(run.Directory, "labels-2")).Take(8));
        // One step of 13 rows is the whole file once.
        Assert.Equal([1, 2], run.Metric("rm", "epoch"));
    }

    [Fact]
    public void A_policy_without_a_choice_is_an_error_that_says_so() =>
        Assert.Contains("no prompt has two answers that differ", Assert.Throws<BadInputException>(() =>
            new TinyRun($$"""  - label: { name: labels, policy: base, {{Judge}}, pairs: 3, top_p: 1e-9, {{Sampling}} }""")).Message);

    [Fact]
    public void The_stage_of_pairs_is_part_of_what_a_reward_model_is_made_from()
    {
        static Recipe With(double noise) => LlmRL.Recipes.Binding.RecipeBinder.Parse<Recipe>($$"""
            name: r
            model: { config: models/nano.json, tokenizer: bytes }
            stages:
              - label: { name: labels, policy: base, {{Judge}}, pairs: 8, label_noise: {{noise.ToString(System.Globalization.CultureInfo.InvariantCulture)}}, {{Sampling}} }
              - reward_model: { name: rm, data: { stage: labels }, steps: 2 }
            """, "r.yaml");
        Assert.NotEqual(StageLedger.InputsOf(With(1))[1], StageLedger.InputsOf(With(2))[1]);
        Assert.Equal(StageLedger.InputsOf(With(1)), StageLedger.InputsOf(With(1)));
    }
}
