using LlmRL.Models;

namespace LlmRL.Tests.Rollouts;

/// <summary>
/// Rotary positions in double precision, a feature pair at a time, written from the papers' definitions: by wave lengths (Llama 3.1), by the ramp over rotations per context
/// (YaRN, section 3), by divided positions (linear), by a longer base for a longer sequence (dynamic).
/// </summary>
internal sealed class ReferenceRope(ModelConfig config, int length)
{
    public double[] Apply(double[] head, int position)
    {
        var width = (int)(head.Length * config.PartialRotaryFactor);
        var turned = head.ToArray();
        for (var i = 0; i < width / 2; i++)
        {
            var angle = Angle(position, i, width);
            var (a, b) = (head[i], head[i + width / 2]);
            turned[i] = Magnitude() * (a * Math.Cos(angle) - b * Math.Sin(angle));
            turned[i + width / 2] = Magnitude() * (a * Math.Sin(angle) + b * Math.Cos(angle));
        }

        return turned;
    }

    private double Angle(int position, int pair, int width)
    {
        var wave = 2 * Math.PI * Math.Pow(config.RopeTheta, 2.0 * pair / width);
        var plain = 2 * Math.PI * position / wave;
        if (config.RopeScaling is not { } scaling)
            return plain;
        var (s, context) = (scaling.Factor, scaling.OriginalMaxPositions);
        switch (scaling.Kind)
        {
            case RopeScalingKind.Linear:
                return 2 * Math.PI * (position / s) / wave;
            case RopeScalingKind.Dynamic:
                if (length <= config.MaxPositions)
                    return plain;
                var theta = config.RopeTheta * Math.Pow(s * length / config.MaxPositions - (s - 1), width / (width - 2.0));
                return position / Math.Pow(theta, 2.0 * pair / width);
            case RopeScalingKind.Llama3:
                if (wave < context / scaling.HighFrequencyFactor)
                    return plain;
                if (wave > context / scaling.LowFrequencyFactor)
                    return plain / s;
                var smooth = (context / wave - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
                return (1 - smooth) * plain / s + smooth * plain;
            default:
                double low = PairOf(scaling.BetaFast, context, width), high = PairOf(scaling.BetaSlow, context, width);
                if (scaling.Truncate)
                    (low, high) = (Math.Floor(low), Math.Ceiling(high));
                low = low < 0 ? 0 : low;
                high = high > width - 1 ? width - 1 : high;
                var interpolated = pair <= low ? 0 : pair >= high ? 1 : (pair - low) / (high - low);
                return plain / s * interpolated + plain * (1 - interpolated);
        }
    }

    /// <summary>Where along the pairs a wave fits so often into the context: wave = context / rotations, solved for the pair.</summary>
    private double PairOf(double rotations, int context, int width) =>
        width / 2.0 * Math.Log(context / rotations / (2 * Math.PI), config.RopeTheta);

    /// <summary>YaRN: 0.1·ln s + 1.</summary>
    private double Magnitude() => config.RopeScaling is { Kind: RopeScalingKind.Yarn } yarn ? yarn.AttentionFactor ?? 0.1 * Math.Log(yarn.Factor) + 1 : 1;
}
