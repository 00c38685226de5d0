namespace LlmRL.Data;

/// <summary>Writes summaries as people of differing care do, and spoils them in the ways in which models do.</summary>
internal static class TldrWriter
{
    /// <summary>A summary by a person of the given skill in [0, 1]: important facts are likelier stated; each is stated wrongly with probability mistakes · (1 − skill).</summary>
    public static List<string> Human(TldrPost post, double skill, double mistakes, RandomStream random)
    {
        var words = new List<string>();
        if (random.NextBool(0.05 + 0.45 * (1 - skill)))
            words.AddRange(random.Pick(TldrLexicon.Phrases).Parts);
        var clauses = new List<List<string>>();
        foreach (var fact in post.Facts)
        {
            if (random.NextBool(Coverage(fact.Kind, skill)))
                clauses.Add((random.NextBool(mistakes * (1 - skill)) ? Confuse(fact, random) : fact).Clause());
        }

        if (clauses.Count == 0)
            clauses.Add(post.Facts[0].Clause());
        words.AddRange(clauses.SelectMany(clause => clause));
        return words;
    }

    /// <summary>One of a pair to compare: by a person of any skill, half of the time spoilt.</summary>
    public static List<string> Candidate(TldrPost post, double mistakes, RandomStream random)
    {
        var words = Human(post, random.NextDouble(), mistakes, random);
        return random.NextBool() ? words : Spoil(post, words, random);
    }

    private static double Coverage(TldrFactKind kind, double skill) => kind switch
    {
        TldrFactKind.Event => 0.6 + 0.38 * skill,
        TldrFactKind.Question => 0.45 + 0.5 * skill,
        TldrFactKind.Reaction => 0.35 + 0.55 * skill,
        _ => 0.3 + 0.5 * skill,
    };

    private static TldrFact Confuse(TldrFact fact, RandomStream random)
    {
        var values = fact.Values.ToArray();
        var at = random.Next(0, values.Length);
        values[at] = TldrPost.Another(TldrLexicon.Clauses[fact.Kind].Slots[at], values[at], random);
        return fact with { Values = values };
    }

    private static List<string> Spoil(TldrPost post, List<string> words, RandomStream random)
    {
        var result = words.ToList();
        switch (random.Next(0, 7))
        {
            case 0: // another detail of the wrong kind
                return [.. result, .. Confuse(random.Pick(post.Facts), random).Clause()];
            case 1: // says it again
                return [.. result, .. random.Pick(post.Facts).Clause(), .. random.Pick(post.Facts).Clause()];
            case 2: // breaks off
                return result[..^random.Next(1, Math.Min(5, result.Count))];
            case 3: // copies a piece of the post
                var body = TldrTemplate.Words(post.Prompt);
                var start = random.Next(0, Math.Max(1, body.Count - 12));
                return [.. result, .. body.Skip(start).Take(random.Next(3, 13))];
            case 4: // drops a word
                result.RemoveAt(random.Next(0, result.Count));
                return result;
            case 5: // gets stuck
                var stuck = random.Pick(result);
                return [.. result, .. Enumerable.Repeat(stuck, random.Next(1, 6))];
            default: // states everything, one thing wrongly
                var wrong = random.Next(0, post.Facts.Count);
                return [.. post.Facts.SelectMany((fact, i) => (i == wrong ? Confuse(fact, random) : fact).Clause())];
        }
    }
}
