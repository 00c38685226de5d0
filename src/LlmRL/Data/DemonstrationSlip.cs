namespace LlmRL.Data;

/// <summary>How a demonstrator gets a result wrong.</summary>
internal static class DemonstrationSlip
{
    /// <summary>A result that is wrong by one in one digit, as people err; in [0, maxValue] if the right one is.</summary>
    public static int Of(int result, int maxValue, RandomStream random)
    {
        var unit = result >= 10 && random.NextBool() ? 10 : 1;
        var slipped = random.NextBool() ? result + unit : result - unit;
        return slipped < 0 || slipped > maxValue ? result + (slipped < 0 ? unit : -unit) : slipped;
    }
}
