using System.Numerics;

namespace LlmRL.Rollouts.Device;

/// <summary>
/// How much of the cache a step reads: one of few lengths, so that few graphs are recorded, and no more than half as much again as is needed, so that short sequences do not
/// pay for a long cache. 128, 192, 256, 384, 512, 768, …
/// </summary>
internal static class LengthBuckets
{
    private const int Shortest = 128;

    /// <summary>The least bucket of at least so many positions.</summary>
    public static int Of(int positions)
    {
        if (positions <= Shortest)
            return Shortest;
        var power = (int)BitOperations.RoundUpToPowerOf2((uint)positions);
        return positions <= power / 4 * 3 ? power / 4 * 3 : power;
    }
}
