using System.Runtime.CompilerServices;

namespace LlmRL.Advantages;

/// <summary>Checks at the entry of the equations.</summary>
internal static class Spans
{
    public static void ExpectLength<T>(ReadOnlySpan<T> span, int length, [CallerArgumentExpression(nameof(span))] string name = "")
    {
        if (span.Length != length)
            throw new ArgumentException($"{name} has {span.Length} entries, expected {length}", name);
    }

    /// <summary>A group of one has no others to compare with: its advantage would always be 0 and nothing would be learnt.</summary>
    public static void ExpectGroups(int count, int groupSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(groupSize, 2);
        if (count % groupSize != 0)
            throw new ArgumentException($"{count} rewards are not a multiple of the group size {groupSize}", nameof(groupSize));
    }
}
