namespace LlmRL.Data;

/// <summary>The kinds of fact that a post tells, in the order in which a summary states them.</summary>
internal enum TldrFactKind
{
    Event,
    Reaction,
    Cost,
    Feeling,
    Place,
    Question,
}

/// <summary>One fact: its kind and the values of the slots of its clause.</summary>
internal sealed record TldrFact(TldrFactKind Kind, string[] Values)
{
    /// <summary>The clause's tokens, its closing mark last.</summary>
    public List<string> Clause()
    {
        var template = TldrLexicon.Clauses[Kind];
        var slot = 0;
        return [.. template.Parts.Select(part => part[0] == '{' ? Values[slot++] : part)];
    }
}

/// <summary>A post and the facts in it.</summary>
internal sealed record TldrPost(string Prompt, IReadOnlyList<TldrFact> Facts)
{
    private const string BodyMark = "\nPOST:", EndMark = "\nTL;DR:";

    /// <summary>Draws the facts alone: they decide the split.</summary>
    public static (Dictionary<string, string> Values, List<TldrFact> Facts) DrawFacts(RandomStream random)
    {
        var woman = random.NextBool();
        var values = new Dictionary<string, string>
        {
            ["name"] = random.Pick(woman ? TldrLexicon.Women : TldrLexicon.Men),
            ["relation"] = random.Pick(woman ? TldrLexicon.RelationsOfWomen : TldrLexicon.RelationsOfMen),
            ["he"] = woman ? "she" : "he",
            ["him"] = woman ? "her" : "him",
        };
        foreach (var slot in (ReadOnlySpan<string>)["verb", "object", "day", "place", "amount", "reaction", "feeling", "action"])
            values[slot] = random.Pick(TldrLexicon.Of(slot));

        var facts = new List<TldrFact>();
        foreach (var kind in Enum.GetValues<TldrFactKind>())
        {
            if (kind is TldrFactKind.Event or TldrFactKind.Question || random.NextBool(0.7))
                facts.Add(new TldrFact(kind, [.. TldrLexicon.Clauses[kind].Slots.Select(slot => values[slot])]));
        }

        return (values, facts);
    }

    /// <summary>The text that decides a post's split: its facts, in order.</summary>
    public static string Canonical(IEnumerable<TldrFact> facts) => TldrTemplate.Join(facts.SelectMany(fact => fact.Clause()));

    /// <summary>Writes the post around its facts.</summary>
    public static TldrPost Write(Dictionary<string, string> values, List<TldrFact> facts, TldrSettings settings, RandomStream random)
    {
        // Distractors never repeat a fact's own word, so each confusion is an error.
        foreach (var slot in (ReadOnlySpan<string>)["name", "verb", "object", "place", "amount", "action", "feeling"])
            values[slot + "2"] = Another(slot, values[slot], random);

        var middle = facts.Where(fact => fact.Kind is not (TldrFactKind.Event or TldrFactKind.Question))
            .Select(fact => random.Pick(TldrLexicon.Statements[fact.Kind])).ToList();
        var fillers = random.Next(settings.MinFillers, settings.MaxFillers + 1);
        var first = new List<TldrTemplate>();
        var last = new List<TldrTemplate>();
        var used = new HashSet<TldrTemplate>();
        for (var i = 0; i < fillers; i++)
        {
            var place = random.NextDouble();
            var pool = place < 0.2 ? TldrLexicon.Openings : place < 0.3 ? TldrLexicon.Closings : TldrLexicon.Fillers;
            var sentence = random.Pick(pool);
            if (used.Add(sentence))
                (place < 0.2 ? first : place < 0.3 ? last : middle).Add(sentence);
        }

        var shuffled = middle.ToArray();
        random.Shuffle<TldrTemplate>(shuffled);
        TldrTemplate[] sentences =
        [
            .. first, random.Pick(TldrLexicon.Statements[TldrFactKind.Event]), .. shuffled,
            random.Pick(TldrLexicon.Statements[TldrFactKind.Question]), .. last,
        ];
        var title = TldrTemplate.Join(random.Pick(TldrLexicon.Titles).Fill(values));
        var body = TldrTemplate.Join(sentences.SelectMany(sentence => sentence.Fill(values)));
        return new TldrPost($"SUBREDDIT: r/{random.Pick(TldrLexicon.Subreddits)}\nTITLE: {title}{BodyMark} {body}{EndMark}", facts);
    }

    /// <summary>Reads the facts back from a post's text; a text of another form has none.</summary>
    public static IReadOnlyList<TldrFact> Parse(string prompt)
    {
        var start = prompt.IndexOf(BodyMark, StringComparison.Ordinal);
        if (start < 0)
            return [];
        start += BodyMark.Length;
        var end = prompt.IndexOf(EndMark, start, StringComparison.Ordinal);
        var words = TldrTemplate.Words(end < 0 ? prompt[start..] : prompt[start..end]);
        var facts = new List<TldrFact>();
        for (int i = 0, sentence = 0; i < words.Count; i++)
        {
            if (words[i] is not ("." or "?" or "!"))
                continue;
            if (Read(words.GetRange(sentence, i + 1 - sentence)) is { } fact && !facts.Exists(known => known.Kind == fact.Kind))
                facts.Add(fact);
            sentence = i + 1;
        }

        facts.Sort((a, b) => a.Kind.CompareTo(b.Kind));
        return facts;
    }

    /// <summary>A word that fits a slot and is not the given one.</summary>
    public static string Another(string slot, string word, RandomStream random)
    {
        var words = TldrLexicon.Of(slot);
        var at = random.Next(0, words.Length - 1);
        return words[at] == word ? words[^1] : words[at];
    }

    private static TldrFact? Read(List<string> sentence)
    {
        foreach (var (kind, templates) in TldrLexicon.Statements)
        {
            foreach (var template in templates)
            {
                if (template.Parts.Count == sentence.Count && template.Match(sentence, 0) is { } values)
                {
                    var slots = TldrLexicon.Clauses[kind].Slots;
                    return new TldrFact(kind, [.. slots.Select(slot => values[template.Slots.IndexOf(slot)])]);
                }
            }
        }

        return null;
    }
}

file static class ListSearch
{
    public static int IndexOf(this IReadOnlyList<string> list, string item)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i] == item)
                return i;
        }

        return -1;
    }
}
