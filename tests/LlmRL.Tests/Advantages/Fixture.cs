using System.Globalization;
using System.Text.Json;
using LlmRL.Recipes.Binding;
using static TorchSharp.torch;

namespace LlmRL.Tests.Advantages;

/// <summary>Reads numbers of a reference fixture and compares with them.</summary>
internal static class Fixture
{
    /// <summary>The fixtures are float32: equations in double agree to its rounding.</summary>
    private const double Relative = 1e-5;

    public static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(Shared.Path($"fixtures/{name}"))).RootElement;

    public static double Number(JsonElement e) =>
        e.ValueKind == JsonValueKind.String ? double.Parse(e.GetString()!, CultureInfo.InvariantCulture) : e.GetDouble();

    public static double[] Numbers(JsonElement e) => [.. e.EnumerateArray().Select(Number)];

    public static double[][] Rows(JsonElement e) => [.. e.EnumerateArray().Select(Numbers)];

    public static float[] Floats(double[] values) => [.. values.Select(value => (float)value)];

    /// <summary>All rows one after the other.</summary>
    public static float[] Flat(double[][] rows) => Floats([.. rows.SelectMany(row => row)]);

    /// <summary>The numbers that the reference computed with: float32, exactly, in the type wanted.</summary>
    public static Tensor Matrix(double[][] rows, ScalarType type = ScalarType.Float32) => tensor(Flat(rows)).view(rows.Length, -1).to_type(type);

    public static string Text(JsonElement setting, string key) => setting.GetProperty(key).GetString()!;

    /// <summary>A choice by its name in recipes, which is TRL's.</summary>
    public static T Choice<T>(JsonElement setting, string key) where T : struct, Enum => (T)Choices.Of(typeof(T))[Text(setting, key)];

    /// <summary>Within 1e-5, relative to the larger of the number and <paramref name="size"/> (what it was subtracted from).</summary>
    public static void AssertClose(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double size = 0.1)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
        {
            var tolerance = Relative * Math.Max(Math.Abs(expected[i]), size);
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance, $"entry {i}: expected {expected[i]}, got {actual[i]}");
        }
    }
}
