using System.Text.Json;
using LlmRL.Models;
using LlmRL.Tests.Advantages;
using LlmRL.Training;

namespace LlmRL.Tests.Training;

/// <summary>A recorded run of one of TRL's trainers: several whole steps with the numbers it logged and the weights it ended with.</summary>
internal sealed class Trace
{
    private Trace(JsonElement file) => File = file;

    public JsonElement File { get; }

    public IEnumerable<JsonElement> Steps => File.GetProperty("steps").EnumerateArray();

    public static Trace Open(string name) => new(Fixture.Read($"trace_{name}.json"));

    public double Hyper(string name) => File.GetProperty("hyper").GetProperty(name).GetDouble();

    /// <summary>The optimizer of the run: AdamW, betas 0.9 and 0.999, no weight decay.</summary>
    public AdamW Optimizer(Transformer model) => new(model.Parameters, new AdamWOptions
    {
        Epsilon = 1e-8,
        MaxGradNorm = File.GetProperty("hyper").GetProperty("max_grad_norm") is { ValueKind: JsonValueKind.Number } limit ? limit.GetDouble() : 0,
    });

    public static int[] Ints(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];

    public static int[][] Sequences(JsonElement rows) => [.. rows.EnumerateArray().Select(Ints)];

    public static void AssertNear(double expected, double actual, double relative, string what) =>
        Assert.True(Math.Abs(expected - actual) <= relative * Math.Max(Math.Abs(expected), 0.1), $"{what}: expected {expected}, got {actual}");

    /// <summary>Norm, sum and first entries of every parameter's gradient, after clipping.</summary>
    public static void AssertGradients(JsonElement expected, Transformer model, double maxNorm, string prefix = "")
    {
        var gradient = model.Parameters.Gradients!.data<float>().ToArray();
        var norm = Math.Sqrt(gradient.Sum(x => (double)x * x));
        var scale = maxNorm > 0 ? Math.Min(1, maxNorm / (norm + 1e-6)) : 1;
        ForEachPart(expected, model, gradient, prefix, (name, reference, actual) =>
        {
            var size = reference.GetProperty("norm").GetDouble();
            AssertWithin(size, scale * Math.Sqrt(actual.Sum(x => (double)x * x)), 1e-4 * size, name);
            AssertWithin(reference.GetProperty("sum").GetDouble(), scale * actual.Sum(x => (double)x), 1e-5 * size * Math.Sqrt(actual.Length), name);
        });
    }

    /// <summary>
    /// Sum and length of every parameter; at the last step its first entries, too (the recorder kept views of those, which show the end of the run at
    /// every step). Adam divides the gradient by its own size, so the noise of small ones is of the order of the learning rate.
    /// </summary>
    public static void AssertParameters(JsonElement expected, Transformer model, double learningRate, bool last, string prefix = "")
    {
        ForEachPart(expected, model, model.Parameters.Values.detach().data<float>().ToArray(), prefix, (name, reference, actual) =>
        {
            var length = reference.GetProperty("l2").GetDouble();
            AssertWithin(length, Math.Sqrt(actual.Sum(x => (double)x * x)), 1e-4 * length, name);
            AssertWithin(reference.GetProperty("sum").GetDouble(), actual.Sum(x => (double)x), 1e-4 * length * Math.Sqrt(actual.Length), name);
            var first = Fixture.Numbers(reference.GetProperty("first"));
            for (var i = 0; i < (last ? first.Length : 0); i++)
                AssertWithin(first[i], actual[i], 1e-4 * Math.Abs(first[i]) + 0.05 * learningRate, name);
        });
    }

    private static void ForEachPart(JsonElement expected, Transformer model, float[] values, string prefix, Action<string, JsonElement, float[]> check)
    {
        foreach (var (spec, offset) in model.Parameters.Specs.Zip(model.Parameters.Offsets))
        {
            var start = (int)offset;
            foreach (var part in spec.Parts)
            {
                check(part.HuggingFaceName, expected.GetProperty(prefix + part.HuggingFaceName), values[start..(start + (int)part.Elements)]);
                start += (int)part.Elements;
            }
        }
    }

    private static void AssertWithin(double expected, double actual, double tolerance, string what) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance, $"{what}: expected {expected}, got {actual}");
}
