namespace LlmRL.Models;

/// <summary>How rotary frequencies are stretched so that a model takes longer sequences than it was trained on.</summary>
public enum RopeScalingKind
{
    /// <summary>All frequencies divided by the factor (Chen et al. 2023, arXiv 2306.15595).</summary>
    Linear,

    /// <summary>A base that grows with the sequence once it exceeds the positions of training.</summary>
    Dynamic,

    /// <summary>Long waves divided by the factor, short ones kept, a linear blend between (Grattafiori et al. 2024, arXiv 2407.21783).</summary>
    Llama3,

    /// <summary>A blend by rotations over the original context, and scaled cosines (Peng et al. 2023, arXiv 2309.00071).</summary>
    Yarn,
}

/// <summary>Parameters of rope scaling, named as in Hugging Face's <c>rope_parameters</c>.</summary>
public sealed record RopeScaling
{
    /// <summary>Which one.</summary>
    public required RopeScalingKind Kind { get; init; }

    /// <summary>s ≥ 1: by how much the context grows.</summary>
    public required double Factor { get; init; }

    /// <summary>Positions the model was trained on (<see cref="RopeScalingKind.Llama3"/>, <see cref="RopeScalingKind.Yarn"/>).</summary>
    public int OriginalMaxPositions { get; init; }

    /// <summary>Llama 3: waves longer than the original context over this are divided by the factor.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>Llama 3: waves shorter than the original context over this stay.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>YaRN: rotations over the original context from which a frequency stays.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>YaRN: rotations over the original context up to which a frequency is divided by the factor.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>YaRN: what cosines and sines are multiplied by; null: 0.1·ln s + 1, or the ratio of that of <see cref="Mscale"/> and <see cref="MscaleAllDim"/>.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>YaRN: coefficient of the attention factor's numerator; counts only together with <see cref="MscaleAllDim"/>.</summary>
    public double? Mscale { get; init; }

    /// <summary>YaRN: coefficient of the attention factor's denominator.</summary>
    public double? MscaleAllDim { get; init; }

    /// <summary>YaRN: whether the ends of the blend are rounded to whole feature pairs.</summary>
    public bool Truncate { get; init; } = true;
}

/// <summary>
/// Rotary position embedding: the pair (i, i + R/2) of a head's first R features turns by position · f_i with f_i = θ^(−2i/R)
/// (Su et al. 2021, arXiv 2104.09864), the frequencies stretched as <see cref="RopeScaling"/> says.
/// </summary>
public static class Rope
{
    /// <summary>Frequencies f_i, radians per position, (R/2).</summary>
    /// <param name="config">The architecture.</param>
    /// <param name="length">Length of the sequence, which only <see cref="RopeScalingKind.Dynamic"/> looks at.</param>
    public static double[] Frequencies(ModelConfig config, int length)
    {
        var scaling = config.RopeScaling;
        var theta = config.RopeTheta;
        if (scaling is { Kind: RopeScalingKind.Dynamic } && length > config.MaxPositions)
            theta = DynamicBase(theta, scaling.Factor, (double)length / config.MaxPositions, config.RotaryDim);
        var plain = Enumerable.Range(0, config.RotaryDim / 2).Select(i => Math.Pow(theta, -2.0 * i / config.RotaryDim));
        return scaling?.Kind switch
        {
            RopeScalingKind.Linear => [.. plain.Select(frequency => frequency / scaling.Factor)],
            RopeScalingKind.Llama3 => [.. plain.Select(frequency => Llama3(frequency, scaling))],
            RopeScalingKind.Yarn => Yarn([.. plain], config, scaling),
            _ => [.. plain],
        };
    }

    /// <summary>What cosines and sines are multiplied by: 1 but for YaRN, where it sharpens attention by its square.</summary>
    public static double AttentionFactor(ModelConfig config)
    {
        if (config.RopeScaling is not { Kind: RopeScalingKind.Yarn } yarn)
            return 1;
        double Scale(double coefficient) => 0.1 * coefficient * Math.Log(yarn.Factor) + 1;
        return yarn.AttentionFactor ?? (yarn is { Mscale: > 0, MscaleAllDim: > 0 } ? Scale(yarn.Mscale.Value) / Scale(yarn.MscaleAllDim.Value) : Scale(1));
    }

    /// <summary>θ·(s·L/L₀ − (s − 1))^(R/(R − 2)) for a sequence of L tokens and L₀ positions of training.</summary>
    private static double DynamicBase(double theta, double factor, double growth, int dim) =>
        theta * Math.Pow(factor * growth - (factor - 1), dim / (dim - 2.0));

    private static double Llama3(double frequency, RopeScaling scaling)
    {
        // How many times a wave fits into the original context.
        var rotations = scaling.OriginalMaxPositions * frequency / (2 * Math.PI);
        var kept = (rotations - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return Blend(frequency, scaling.Factor, Math.Clamp(kept, 0, 1));
    }

    private static double[] Yarn(double[] plain, ModelConfig config, RopeScaling scaling)
    {
        // The (fractional) feature pair that rotates so many times over the original context.
        double Pair(double rotations) =>
            config.RotaryDim * Math.Log(scaling.OriginalMaxPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(config.RopeTheta));
        double low = Pair(scaling.BetaFast), high = Pair(scaling.BetaSlow);
        if (scaling.Truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, config.RotaryDim - 1);
        if (low == high)
            high += 0.001;
        return [.. plain.Select((frequency, i) => Blend(frequency, scaling.Factor, 1 - Math.Clamp((i - low) / (high - low), 0, 1)))];
    }

    /// <summary>kept·f + (1 − kept)·f/s.</summary>
    private static double Blend(double frequency, double factor, double kept) => kept * frequency + (1 - kept) * frequency / factor;
}
