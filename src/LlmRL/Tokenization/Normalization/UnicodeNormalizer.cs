using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmRL.Tokenization.Normalization;

/// <summary>
/// Unicode normalisation forms (Unicode Standard Annex 15). The program runs without ICU, where <c>string.Normalize</c> returns its input.
/// </summary>
internal static class UnicodeNormalizer
{
    // Hangul syllables: L × V × T jamo, composed by arithmetic (Unicode Standard, section 3.12).
    private const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7, LCount = 19, VCount = 21, TCount = 28;

    private static readonly Lazy<Tables> Data = new(() => new Tables());

    /// <summary>Normalises to NFC, NFD, NFKC or NFKD.</summary>
    public static string Normalize(string text, NormalizationForm form)
    {
        // Below U+00A0 nothing changes in any form; below U+0300 nothing changes in NFC.
        var firstAffected = form == NormalizationForm.FormC ? '\u0300' : '\u00A0';
        var start = text.AsSpan().IndexOfAnyInRange(firstAffected, char.MaxValue);
        if (start < 0)
            return text;

        // A character that stays may still compose with, or be ordered against, what follows it.
        start = Math.Max(start - 1, 0);
        var compatibility = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        var points = new List<int>(text.Length - start + 8);
        for (var i = start; i < text.Length; i++)
        {
            var pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            Decompose(pair ? char.ConvertToUtf32(text[i], text[i + 1]) : text[i], compatibility, points);
            i += pair ? 1 : 0;
        }

        Order(CollectionsMarshal.AsSpan(points));
        if (form is NormalizationForm.FormC or NormalizationForm.FormKC)
            Compose(points);
        return Spell(text.AsSpan(0, start), points);
    }

    /// <summary>Whether a code point is a mark (\p{M}).</summary>
    public static bool IsMark(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint) is UnicodeCategory.NonSpacingMark
        or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    private static void Decompose(int point, bool compatibility, List<int> output)
    {
        if ((uint)(point - SBase) < LCount * VCount * TCount)
        {
            var s = point - SBase;
            output.Add(LBase + (s / (VCount * TCount)));
            output.Add(VBase + (s % (VCount * TCount) / TCount));
            if (s % TCount != 0)
                output.Add(TBase + (s % TCount));
            return;
        }

        var data = Data.Value;
        if (data.Canonical.TryGetValue(point, out var parts) || (compatibility && data.Compatibility.TryGetValue(point, out parts)))
        {
            foreach (var part in parts)
                Decompose(part, compatibility, output);
            return;
        }

        output.Add(point);
    }

    // Canonical ordering: a stable sort by combining class within each run of characters whose class is not 0.
    private static void Order(Span<int> points)
    {
        var classes = Data.Value.Classes;
        for (var i = 1; i < points.Length; i++)
        {
            var point = points[i];
            if (!classes.TryGetValue(point, out var own))
                continue;
            var j = i;
            for (; j > 0 && classes.TryGetValue(points[j - 1], out var before) && before > own; j--)
                points[j] = points[j - 1];
            points[j] = point;
        }
    }

    private static void Compose(List<int> points)
    {
        var data = Data.Value;
        var starter = -1;
        var lastClass = 0;
        var count = 0;
        for (var i = 0; i < points.Count; i++)
        {
            var point = points[i];
            var own = data.Classes.GetValueOrDefault(point);
            // A mark is blocked from its starter by a mark of the same or a higher class, a starter by anything in between.
            var blocked = starter != count - 1 && (lastClass == 0 || lastClass >= own);
            if (starter >= 0 && !blocked && Composite(points[starter], point, data) is { } composite)
            {
                points[starter] = composite;
                continue;
            }

            if (own == 0)
                starter = count;
            lastClass = own;
            points[count++] = point;
        }

        CollectionsMarshal.SetCount(points, count);
    }

    private static int? Composite(int first, int second, Tables data)
    {
        if ((uint)(first - LBase) < LCount && (uint)(second - VBase) < VCount)
            return SBase + ((((first - LBase) * VCount) + second - VBase) * TCount);
        var s = first - SBase;
        if ((uint)s < LCount * VCount * TCount && s % TCount == 0 && second > TBase && second < TBase + TCount)
            return first + second - TBase;
        return data.Composites.TryGetValue((first, second), out var composite) ? composite : null;
    }

    private static string Spell(ReadOnlySpan<char> prefix, List<int> points)
    {
        var result = new StringBuilder(prefix.Length + points.Count + 8).Append(prefix);
        foreach (var point in points)
        {
            if (point > char.MaxValue)
                result.Append(char.ConvertFromUtf32(point));
            else
                result.Append((char)point);
        }

        return result.ToString();
    }

    private sealed class Tables
    {
        public Tables()
        {
            foreach (var (range, value) in Entries(UnicodeData.CombiningClasses))
            {
                var ends = range.Split('-');
                for (var point = Hex(ends[0]); point <= Hex(ends[^1]); point++)
                    Classes.Add(point, byte.Parse(value, CultureInfo.InvariantCulture));
            }

            foreach (var (left, value) in Entries(UnicodeData.CanonicalDecompositions))
            {
                var point = Hex(left.TrimStart('!'));
                var parts = Array.ConvertAll(value.Split(' '), Hex);
                Canonical.Add(point, parts);
                // Singletons and decompositions that begin with a mark, or whose whole is a mark, never come back by composition.
                if (left[0] != '!' && parts.Length == 2 && !Classes.ContainsKey(point) && !Classes.ContainsKey(parts[0]))
                    Composites.Add((parts[0], parts[1]), point);
            }

            foreach (var (left, value) in Entries(UnicodeData.CompatibilityDecompositions))
                Compatibility.Add(Hex(left), Array.ConvertAll(value.Split(' '), Hex));
        }

        public Dictionary<int, byte> Classes { get; } = [];

        public Dictionary<int, int[]> Canonical { get; } = [];

        public Dictionary<int, int[]> Compatibility { get; } = [];

        public Dictionary<(int, int), int> Composites { get; } = [];

        private static IEnumerable<(string Left, string Right)> Entries(string table)
        {
            foreach (var entry in table.Split([';', '\n'], StringSplitOptions.RemoveEmptyEntries))
            {
                var equals = entry.IndexOf('=');
                yield return (entry[..equals], entry[(equals + 1)..]);
            }
        }

        private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
