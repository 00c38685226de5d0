using System.ComponentModel.DataAnnotations;
using LlmRL.Data;
using LlmRL.Recipes.Binding;

namespace LlmRL.Rewards;

/// <summary>
/// A verifiable property of a text: score = (fraction of <see cref="Words"/> that occur, or min(occurrences, max_count) / max_count)
/// − forbidden_penalty · [a forbidden word occurs] − ending_penalty · [the text does not end as wanted] − repetition_penalty · (fraction of word
/// triples that occurred before).
/// </summary>
[Variant("keywords")]
public sealed record KeywordReward : IReward
{
    /// <summary>The wanted words, in any case.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>0 counts which of the words occur; n &gt; 0 counts how often any of them does, up to n times.</summary>
    [Range(0, 1000)]
    public int MaxCount { get; init; }

    /// <summary>Words that must not occur, in any case.</summary>
    public IReadOnlyList<string> Forbidden { get; init; } = [];

    /// <summary>Taken off where a forbidden word occurs.</summary>
    [Range(0.0, 100.0)]
    public double ForbiddenPenalty { get; init; } = 1;

    /// <summary>The text ends with one of these characters (a full stop, say); empty for no such wish.</summary>
    public string EndsWith { get; init; } = "";

    /// <summary>Taken off where it does not.</summary>
    [Range(0.0, 100.0)]
    public double EndingPenalty { get; init; } = 0.5;

    /// <summary>Weight of repeated word triples: without it, a policy may earn a count by saying one sentence again and again.</summary>
    [Range(0.0, 100.0)]
    public double RepetitionPenalty { get; init; }

    /// <inheritdoc/>
    string IReward.Name => "keywords";

    /// <inheritdoc/>
    public double Score(Example example, string completion)
    {
        var words = SplitWords(completion);
        var score = 0.0;
        if (Words.Count > 0)
        {
            score = MaxCount > 0
                ? Math.Min(MaxCount, words.Count(word => Contains(Words, word))) / (double)MaxCount
                : Words.Count(wanted => Contains(words, wanted)) / (double)Words.Count;
        }

        if (words.Exists(word => Contains(Forbidden, word)))
            score -= ForbiddenPenalty;
        var end = completion.TrimEnd();
        if (EndsWith.Length > 0 && (end.Length == 0 || !EndsWith.Contains(end[^1])))
            score -= EndingPenalty;
        return RepetitionPenalty > 0 ? score - (RepetitionPenalty * RepetitionReward.RepeatedShare(RepetitionReward.WordIds(words), 3)) : score;
    }

    /// <summary>Runs of letters, digits and apostrophes.</summary>
    internal static List<string> SplitWords(string text)
    {
        var words = new List<string>();
        for (var i = 0; i < text.Length; i++)
        {
            var start = i;
            while (i < text.Length && (char.IsLetterOrDigit(text[i]) || text[i] == '\''))
                i++;
            if (i > start)
                words.Add(text[start..i]);
        }

        return words;
    }

    private static bool Contains(IEnumerable<string> words, string word) => words.Contains(word, StringComparer.OrdinalIgnoreCase);
}
