namespace LlmRL.Advantages;

/// <summary>What <c>missing_eos_penalty</c> does to the score of a completion without EOS.</summary>
public enum MissingEosMode
{
    /// <summary>The score is lowered by the penalty (TRL).</summary>
    Subtract,

    /// <summary>The penalty's negative is the score (arXiv 2403.17031, detail 7: −1 whatever the reward model says of a truncated text).</summary>
    Replace,
}

/// <summary>Changes to a sequence's score before advantages are computed.</summary>
public static class RewardShaping
{
    /// <summary>score − penalty, or −penalty, for a completion that did not end; the score itself otherwise.</summary>
    /// <param name="score">The score.</param>
    /// <param name="ended">Whether the completion has an EOS.</param>
    /// <param name="penalty">≥ 0, in units of reward.</param>
    /// <param name="mode">Lower the score or replace it.</param>
    public static double MissingEos(double score, bool ended, double penalty, MissingEosMode mode) =>
        ended ? score : mode == MissingEosMode.Replace ? -penalty : score - penalty;

    /// <summary>0 up to L − C tokens, (L − C − |y|)/C up to L tokens, −1 beyond: added to the score.</summary>
    /// <remarks>DAPO's soft overlong punishment: Yu et al. 2025, arXiv 2503.14476, equation 13.</remarks>
    /// <param name="length">|y|, tokens.</param>
    /// <param name="maxLength">L, tokens.</param>
    /// <param name="cache">C, tokens: over how many the punishment grows, 1 ≤ C ≤ L.</param>
    public static double SoftOverlong(int length, int maxLength, int cache)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cache, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cache, maxLength);
        var free = maxLength - cache;
        return length <= free ? 0 : length <= maxLength ? (free - length) / (double)cache : -1;
    }

    /// <summary>The score held within [low, high], in units of reward.</summary>
    public static double Clip(double score, double low, double high)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(low, high);
        return Math.Clamp(score, low, high);
    }
}
