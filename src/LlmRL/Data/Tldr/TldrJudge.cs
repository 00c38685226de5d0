namespace LlmRL.Data;

/// <summary>
/// The hidden "gold" utility of a summary of a <see cref="TldrGenerator"/> post: what an ideal reader would prefer, and what the learned reward
/// only estimates. A pure function of the two texts.
/// </summary>
/// <remarks>
/// <para>
/// The summary is read from left to right as clauses in the fixed wording of each kind of fact (<c>anna sold my bike.</c>, <c>she laughed.</c>,
/// <c>it cost fifty dollars.</c>, <c>i am upset.</c>, <c>this was at the lake.</c>, <c>should i call her?</c>), empty phrases (<c>long story short,</c>)
/// and stray tokens (everything else). With w = 3, 1.5, 1, 1, 0.5, 2 for event, reaction, cost, feeling, place, question:
/// </para>
/// <para>
/// U = Σ_{facts stated} w_k − 1.5 Σ_{wrong clauses} (wrong slots / slots) − 1 · repeated clauses − 0.25 · stray tokens − 0.25 · empty phrases
/// − 0.15 · max(0, tokens − 20) − 0.5 · [the summary does not end with a full stop or question mark].
/// </para>
/// <para>
/// A clause of a kind that the post does not tell counts as wrong in every slot; a second clause of a kind is a repetition and earns nothing; a
/// clause without its closing mark counts one stray token. Tokens are words, punctuation marks and line breaks.
/// </para>
/// </remarks>
public static class TldrJudge
{
    /// <summary>Tokens of a summary that cost nothing.</summary>
    public const int LengthBudget = 20;

    private const double WrongClause = 1.5, Repetition = 1, Stray = 0.25, Phrase = 0.25, Overlong = 0.15, Unfinished = 0.5;

    /// <summary>The utility U of a summary of a post,: the best of a post is 5 to 8.2, an empty summary −0.5.</summary>
    public static double Utility(string prompt, string summary) => Utility(TldrPost.Parse(prompt), TldrTemplate.Words(summary));

    /// <summary>A summary of the highest utility: the best subset of the post's facts, each stated once and rightly.</summary>
    public static string Best(string prompt)
    {
        var facts = TldrPost.Parse(prompt);
        var best = new List<string>();
        var highest = double.NegativeInfinity;
        for (var subset = 0; subset < 1 << facts.Count; subset++)
        {
            var words = new List<string>();
            for (var i = 0; i < facts.Count; i++)
            {
                if ((subset >> i & 1) != 0)
                    words.AddRange(facts[i].Clause());
            }

            var utility = Utility(facts, words);
            if (utility > highest)
                (highest, best) = (utility, words);
        }

        return " " + TldrTemplate.Join(best);
    }

    internal static double Weight(TldrFactKind kind) => kind switch
    {
        TldrFactKind.Event => 3,
        TldrFactKind.Question => 2,
        TldrFactKind.Reaction => 1.5,
        TldrFactKind.Place => 0.5,
        _ => 1,
    };

    internal static double Utility(IReadOnlyList<TldrFact> facts, List<string> words)
    {
        var utility = -Overlong * Math.Max(0, words.Count - LengthBudget);
        if (words.Count == 0 || words[^1] is not ("." or "?"))
            utility -= Unfinished;

        var stated = new HashSet<TldrFactKind>();
        for (var i = 0; i < words.Count;)
        {
            if (ReadClause(words, i) is var (fact, length, closed))
            {
                utility += (stated.Add(fact.Kind) ? Worth(facts, fact) : -Repetition + Math.Min(0, Worth(facts, fact))) - (closed ? 0 : Stray);
                i += length;
            }
            else if (PhraseLength(words, i) is > 0 and var phrase)
            {
                utility -= Phrase;
                i += phrase;
            }
            else
            {
                utility -= Stray;
                i++;
            }
        }

        return utility;
    }

    private static double Worth(IReadOnlyList<TldrFact> facts, TldrFact stated)
    {
        var fact = facts.FirstOrDefault(fact => fact.Kind == stated.Kind);
        var wrong = fact is null ? stated.Values.Length : fact.Values.Zip(stated.Values).Count(pair => pair.First != pair.Second);
        return wrong == 0 ? Weight(stated.Kind) : -WrongClause * wrong / stated.Values.Length;
    }

    private static (TldrFact Fact, int Length, bool Closed)? ReadClause(List<string> words, int start)
    {
        foreach (var (kind, clause) in TldrLexicon.Clauses)
        {
            if (clause.MatchOpen(words, start) is not { } values)
                continue;
            var length = clause.Parts.Count - 1;
            var closed = start + length < words.Count && words[start + length] == clause.Parts[^1];
            return (new TldrFact(kind, values), closed ? length + 1 : length, closed);
        }

        return null;
    }

    private static int PhraseLength(List<string> words, int start)
    {
        foreach (var phrase in TldrLexicon.Phrases)
        {
            if (phrase.Match(words, start) is not null)
                return phrase.Parts.Count;
        }

        return 0;
    }
}
