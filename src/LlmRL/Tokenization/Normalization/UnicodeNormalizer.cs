using System.Collections;
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

    // NFC, NFD, NFKC, NFKD.
    private static readonly Lazy<AffectedSet>[] Affected =
    [
        new(() => new AffectedSet(isComposed: true, isCompatibility: false)),
        new(() => new AffectedSet(isComposed: false, isCompatibility: false)),
        new(() => new AffectedSet(isComposed: true, isCompatibility: true)),
        new(() => new AffectedSet(isComposed: false, isCompatibility: true)),
    ];

    /// <summary>Normalises to NFC, NFD, NFKC or NFKD.</summary>
    public static string Normalize(string text, NormalizationForm form)
    {
        // Below U+00A0 nothing changes in any form, below U+0300 nothing changes in NFC.
        var firstAffected = form == NormalizationForm.FormC ? '\u0300' : '\u00A0';
        if (!text.AsSpan().ContainsAnyInRange(firstAffected, char.MaxValue))
            return text;
        var affected = Affected[form switch
        {
            NormalizationForm.FormC => 0,
            NormalizationForm.FormD => 1,
            NormalizationForm.FormKC => 2,
            _ => 3,
        }].Value;
        StringBuilder? result = null;
        List<int> points = [];
        var copied = 0;
        for (var i = 0; i < text.Length;)
        {
            if (!affected.Contains(PointAt(text, i, out var width)))
            {
                i += width;
                continue;
            }

            // A stretch that may change: the character before it, with which it may compose, and everything up to the next one that stays.
            var start = i == copied ? i : i > 1 && char.IsSurrogatePair(text[i - 2], text[i - 1]) ? i - 2 : i - 1;
            points.Clear();
            for (var j = start; j < text.Length; j += width)
            {
                var point = PointAt(text, j, out width);
                if (j >= i && !affected.Contains(point))
                    break;
                Decompose(point, affected.IsCompatibility, points);
                i = j >= i ? j + width : i;
            }

            Order(CollectionsMarshal.AsSpan(points));
            if (affected.IsComposed)
                Compose(points);
            result ??= new StringBuilder(text.Length + 16);
            result.Append(text, copied, start - copied);
            foreach (var point in points)
                Append(result, point);
            copied = i;
        }

        return result is null ? text : result.Append(text, copied, text.Length - copied).ToString();
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

    private static int PointAt(string text, int index, out int width)
    {
        var pair = index + 1 < text.Length && char.IsSurrogatePair(text[index], text[index + 1]);
        width = pair ? 2 : 1;
        return pair ? char.ConvertToUtf32(text[index], text[index + 1]) : text[index];
    }

    private static void Append(StringBuilder output, int point)
    {
        if (point > char.MaxValue)
            output.Append(char.ConvertFromUtf32(point));
        else
            output.Append((char)point);
    }

    /// <summary>The code points that a form may change, or that may compose with what stands before them.</summary>
    private sealed class AffectedSet
    {
        private readonly BitArray _points = new(0x110000);

        public AffectedSet(bool isComposed, bool isCompatibility)
        {
            IsComposed = isComposed;
            IsCompatibility = isCompatibility;
            var data = Data.Value;
            foreach (var point in data.Classes.Keys.Concat(isComposed ? data.Composites.Keys.Select(pair => pair.Item2) : []))
                _points[point] = true;
            var points = new List<int>();
            foreach (var point in isCompatibility ? data.Canonical.Keys.Concat(data.Compatibility.Keys) : data.Canonical.Keys)
            {
                points.Clear();
                Decompose(point, isCompatibility, points);
                Order(CollectionsMarshal.AsSpan(points));
                var joinsBackwards = _points[points[0]];
                if (isComposed)
                    Compose(points);
                _points[point] |= joinsBackwards || points is not [var only] || only != point;
            }

            for (var i = 0; isComposed && i < VCount; i++)
                _points[VBase + i] = true;
            for (var i = 1; isComposed && i < TCount; i++)
                _points[TBase + i] = true;
            for (var i = 0; !isComposed && i < LCount * VCount * TCount; i++)
                _points[SBase + i] = true;
        }

        public bool IsComposed { get; }

        public bool IsCompatibility { get; }

        public bool Contains(int point) => _points[point];
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
