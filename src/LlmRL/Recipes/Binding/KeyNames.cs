using System.Text;

namespace LlmRL.Recipes.Binding;

/// <summary>How C# names become recipe keys, and which key a misspelt one was meant to be.</summary>
internal static class KeyNames
{
    /// <summary><c>MaxCompletionLength</c> → <c>max_completion_length</c>, <c>KLCoef</c> → <c>kl_coef</c>; digits stay attached: <c>K1</c> → <c>k1</c>.</summary>
    public static string Snake(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = i > 0 && char.IsUpper(name[i])
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            if (startsWord && name[i - 1] != '_')
                text.Append('_');
            text.Append(char.ToLowerInvariant(name[i]));
        }

        return text.ToString();
    }

    /// <summary>The candidate that was most likely meant, or null where none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> candidates)
    {
        var wanted = word.Trim().Replace('-', '_').ToLowerInvariant();
        string? best = null;
        var bestDistance = int.MaxValue;
        foreach (var candidate in candidates)
        {
            var distance = EditDistance(wanted, candidate);
            // "generations" is far from "num_generations" in edits, yet plainly means it.
            if (wanted.Length >= 4 && candidate.Contains(wanted, StringComparison.Ordinal))
                distance = Math.Min(distance, 2);
            // "lora_alpha" below lora.
            if (wanted.EndsWith("_" + candidate, StringComparison.Ordinal))
                distance = 1;
            if (distance < bestDistance && distance <= Math.Clamp(candidate.Length / 3, 1, 3))
                (best, bestDistance) = (candidate, distance);
        }

        return best;
    }

    /// <summary>"Did you mean X?", or the list of what is valid.</summary>
    public static string Remedy(string word, IReadOnlyCollection<string> candidates, string what)
    {
        if (Nearest(word, candidates) is { } nearest)
            return $"Did you mean {nearest}?";
        return candidates.Count == 0 ? $"There are no {what} here; remove it." : $"Valid {what}: {string.Join(", ", candidates)}.";
    }

    /// <summary>Edits between two words, a swap of neighbours counting once (optimal string alignment; Damerau 1964).</summary>
    public static int EditDistance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
            d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++)
            d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var change = d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                d[i, j] = Math.Min(change, Math.Min(d[i - 1, j], d[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }
}
