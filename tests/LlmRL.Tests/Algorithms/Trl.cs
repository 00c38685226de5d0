using System.Text.Json;
using LlmRL.Advantages;
using LlmRL.Rollouts;
using LlmRL.Tests.Advantages;
using LlmRL.Tests.Training;
using static TorchSharp.torch;

namespace LlmRL.Tests.Algorithms;

/// <summary>What the comparisons with TRL's losses share: its padded rows as trajectories, and the tolerances.</summary>
internal static class Trl
{
    /// <summary>Relative, of a loss or metric in float32.</summary>
    public const double Loss = 1e-5;

    /// <summary>Relative to the largest element, of a gradient in float32.</summary>
    public const double Gradient = 1e-5;

    /// <summary>Relative, of numbers computed in float64: the fixtures have nine digits.</summary>
    public const double Double = 1e-8;

    /// <summary>Trajectories of as many tokens as the mask has ones; an empty row is one that does not count.</summary>
    public static Trajectory[] Trajectories(double[][] mask, double[][] old, double[][] reference)
    {
        var width = mask.Max(row => (int)row.Sum());
        return [.. mask.Select((row, i) =>
        {
            var length = row.Sum() > 0 ? (int)row.Sum() : width;
            var trajectory = Tiny.Trajectory([0], new int[length], Fixture.Floats(old[i][..length]), i);
            (trajectory.ReferenceLogProbs, trajectory.Counts) = (Fixture.Floats(reference[i][..length]), row.Sum() > 0);
            return trajectory;
        })];
    }

    /// <summary>Gives every token of each trajectory its advantage.</summary>
    public static void SetAdvantages(Trajectory[] trajectories, double[] advantages)
    {
        for (var i = 0; i < trajectories.Length; i++)
        {
            trajectories[i].Advantages = new float[trajectories[i].Length];
            Array.Fill(trajectories[i].Advantages, (float)advantages[i]);
        }
    }

    /// <summary>The weighted sum of a case's rewards, held within its range.</summary>
    public static double[] Scores(JsonElement inputs, JsonElement setting)
    {
        var rows = Fixture.Rows(inputs.GetProperty(Fixture.Text(setting, "rewards")));
        var scores = new double[rows.Length];
        GroupRelative.WeightedSum(rows.SelectMany(row => row).ToArray(), Fixture.Numbers(setting.GetProperty("reward_weights")), scores);
        return setting.GetProperty("reward_clip_range") is { ValueKind: JsonValueKind.Array } range
            ? Array.ConvertAll(scores, score => RewardShaping.Clip(score, range[0].GetDouble(), range[1].GetDouble()))
            : scores;
    }

    /// <summary>A mask of what counts from one of what is padding.</summary>
    public static double[][] Inverted(JsonElement mask) => [.. Fixture.Rows(mask).Select(row => Array.ConvertAll(row, cell => 1 - cell))];

    /// <summary>Relative to the number itself, or to 0.1 where it is smaller.</summary>
    public static void AssertNear(double expected, double actual, double relative = Loss, string what = "loss") =>
        Assert.True(Math.Abs(expected - actual) <= relative * Math.Max(Math.Abs(expected), 0.1), $"{what}: expected {expected}, got {actual}");

    public static void AssertGradient(JsonElement expected, Tensor actual) =>
        AssertGradient(expected[0].ValueKind == JsonValueKind.Array ? [.. Fixture.Rows(expected).SelectMany(row => row)] : Fixture.Numbers(expected), actual);

    public static void AssertGradient(double[] expected, Tensor actual) =>
        Tiny.AssertClose(Fixture.Floats(expected), actual.contiguous().data<float>().ToArray(), Gradient);

    /// <summary>A (B, T) tensor where it counts.</summary>
    public static void AssertRows(JsonElement expected, Tensor actual, Trajectory[] trajectories)
    {
        var rows = Fixture.Rows(expected);
        for (var b = 0; b < trajectories.Length; b++)
        {
            var row = actual[b].detach().contiguous().data<float>().ToArray();
            Fixture.AssertClose(rows[b][..trajectories[b].Length], Array.ConvertAll(row[..trajectories[b].Length], x => (double)x), size: 1);
        }
    }
}
