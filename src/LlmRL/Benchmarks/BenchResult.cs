using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmRL.Benchmarks;

/// <summary>What was measured of one phase; <see cref="ToJson"/> is its machine-readable form.</summary>
public sealed record BenchResult
{
    private static readonly JsonSerializerOptions Layout = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    /// <summary>The phase, as the command line spells it.</summary>
    public required string Phase { get; init; }

    /// <summary>The model as it was named.</summary>
    public required string Model { get; init; }

    /// <summary>What it ran on.</summary>
    public required string Device { get; init; }

    /// <summary>What passes read and compute in: <c>float32</c> or <c>bfloat16</c>.</summary>
    public string Dtype { get; init; } = "float32";

    /// <summary>Whether the backward pass computes each layer again.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>Where the optimizer's moments were kept: <c>none</c> is in memory, or <c>disk</c>.</summary>
    public string OptimizerOffload { get; init; } = "none";

    /// <summary>Seconds of the steps.</summary>
    public required Spread SecondsPerStep { get; init; }

    /// <summary>Tokens (<see cref="PhaseCost.Tokens"/>) ÷ median seconds; null for start-up.</summary>
    public double? TokensPerSecond { get; init; }

    /// <summary>The most memory that the process held while the phase was prepared and ran, in 10⁶ bytes; null where the system does not say.</summary>
    public double? PeakRssMb { get; init; }

    /// <summary>On a GPU: what its free memory had fallen by at the end, in 10⁶ bytes. The allocator keeps what it took, so this is the peak; null elsewhere.</summary>
    public double? PeakDeviceMb { get; init; }

    /// <summary>10⁹ FLOP/s of a large matrix product beside it, the best of some, see <see cref="MachineLimit"/>.</summary>
    public double? MatmulGflops { get; init; }

    /// <summary>Their median: far below the best where other programs were running.</summary>
    public double? MatmulGflopsMedian { get; init; }

    /// <summary>10⁹ bytes a second of reading as many bytes as the weights have, beside it.</summary>
    public double? ReadGbps { get; init; }

    /// <summary><see cref="PhaseCost.LeastSeconds"/> ÷ median seconds: 1 is an implementation that wastes nothing.</summary>
    public double? FractionOfLimit { get; init; }

    /// <summary>Useful FLOPs of a step, see <see cref="PhaseCost"/>.</summary>
    public double Flops { get; init; }

    /// <summary>Median seconds of a step's parts where the loop times them.</summary>
    public OrderedDictionary<string, double> Parts { get; init; } = [];

    /// <summary>The batch.</summary>
    public required BenchShape Shape { get; init; }

    /// <summary>V.</summary>
    public int Vocabulary { get; init; }

    /// <summary>Number of weights of the policy.</summary>
    public double Parameters { get; init; }

    /// <summary>Steps that counted.</summary>
    public int Steps { get; init; }

    /// <summary>One line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Layout);

    /// <summary>Reads <see cref="ToJson"/>'s line.</summary>
    public static BenchResult FromJson(string json) => JsonSerializer.Deserialize<BenchResult>(json, Layout) ?? throw new JsonException("null is no result");
}

/// <summary>Median, least and greatest of some numbers.</summary>
public sealed record Spread(double Median, double Min, double Max)
{
    /// <summary>Of at least one number.</summary>
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return new Spread((sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2, sorted[0], sorted[^1]);
    }
}
