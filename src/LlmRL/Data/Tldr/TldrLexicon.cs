namespace LlmRL.Data;

/// <summary>The words and sentences that posts and summaries are made of.</summary>
internal static class TldrLexicon
{
    public static readonly string[] Women = Split("anna beth clara diana emma fiona grace helen iris julia kate laura");
    public static readonly string[] Men = Split("adam ben carl david eric frank george henry ivan jack kevin liam");
    public static readonly string[] RelationsOfWomen = Split("sister aunt girlfriend friend roommate coworker neighbor cousin boss");
    public static readonly string[] RelationsOfMen = Split("brother uncle boyfriend friend roommate coworker neighbor cousin boss");
    public static readonly string[] Subreddits = Split("relationships advice family work college legaladvice");

    /// <summary>What the posts tell of; each sentence is one fact of its kind.</summary>
    public static readonly IReadOnlyDictionary<TldrFactKind, TldrTemplate[]> Statements = new Dictionary<TldrFactKind, TldrTemplate[]>
    {
        [TldrFactKind.Event] = Templates(
            "my {relation} {name} {verb} my {object} last {day}.",
            "last {day} my {relation} {name} {verb} my {object}.",
            "so {name}, my {relation}, {verb} my {object} last {day}.",
            "i found out that my {relation} {name} {verb} my {object}.",
            "it was my {relation} {name} who {verb} my {object} last {day}."),
        [TldrFactKind.Reaction] = Templates(
            "when i asked about it, {he} just {reaction}.",
            "{he} {reaction} as soon as i brought it up.",
            "i tried to talk about it but {he} {reaction}."),
        [TldrFactKind.Cost] = Templates(
            "the whole thing cost me {amount} dollars.",
            "i had to pay {amount} dollars to fix it.",
            "now i am {amount} dollars poorer."),
        [TldrFactKind.Feeling] = Templates(
            "honestly i am so {feeling} right now.",
            "this makes me really {feeling}.",
            "i have been {feeling} ever since."),
        [TldrFactKind.Place] = Templates(
            "it happened at the {place}.",
            "we were both at the {place} at that time.",
            "all of this went down at the {place}."),
        [TldrFactKind.Question] = Templates(
            "should i {action} {him}?",
            "do you think i should {action} {him}?",
            "would it be wrong to {action} {him}?"),
    };

    /// <summary>How a summary states a fact of each kind: the one wording that the judge reads.</summary>
    public static readonly IReadOnlyDictionary<TldrFactKind, TldrTemplate> Clauses = new Dictionary<TldrFactKind, TldrTemplate>
    {
        [TldrFactKind.Event] = new("{name} {verb} my {object}."),
        [TldrFactKind.Reaction] = new("{he} {reaction}."),
        [TldrFactKind.Cost] = new("it cost {amount} dollars."),
        [TldrFactKind.Feeling] = new("i am {feeling}."),
        [TldrFactKind.Place] = new("this was at the {place}."),
        [TldrFactKind.Question] = new("should i {action} {him}?"),
    };

    public static readonly TldrTemplate[] Titles = Templates(
        "need advice about my {relation}", "is my {relation} in the wrong", "how do i deal with my {relation}", "my {relation} went too far",
        "not sure what to do about this", "am i overreacting");

    public static readonly TldrTemplate[] Openings = Templates(
        "sorry for the long post.", "i am on my phone so please excuse the format.", "throwaway account for obvious reasons.",
        "a bit of background first.", "this is my first post here.", "i never thought i would have to write this.");

    /// <summary>Sentences that carry no fact; those with slots name people and things that a careless summary confuses with the facts.</summary>
    public static readonly TldrTemplate[] Fillers = Templates(
        "we have known each other for years.", "i work a lot and sleep very little.", "things were fine before all this.",
        "i do not want to make a big deal out of it.", "i know how this sounds.", "nobody else in the house said a word.",
        "my friend {name2} told me to calm down.", "i was out with {name2} when i heard.", "{name2} thinks it is funny.",
        "at least i still have my {object2}.", "i was going to use my {object2} instead.", "i had left my {object2} at home.",
        "i was on my way to the {place2}.", "i had saved {amount2} dollars for a trip.", "{name2} {verb2} a {object2} once and nobody cared.",
        "my parents want me to {action2} everyone.", "{name2} said i looked {feeling2}.");

    public static readonly TldrTemplate[] Closings = Templates("any advice is welcome.", "thanks for reading this far.", "please help.");

    /// <summary>Phrases that summaries begin with and that say nothing.</summary>
    public static readonly TldrTemplate[] Phrases = Templates(
        "long story short,", "to keep it short,", "basically,", "anyway,", "sorry for the long post,");

    private static readonly Dictionary<string, string[]> Vocabulary = new()
    {
        ["name"] = [.. Women, .. Men],
        ["relation"] = [.. RelationsOfWomen.Union(RelationsOfMen)],
        ["verb"] = Split("sold broke lost stole borrowed hid painted scratched burned dropped wrecked returned"),
        ["object"] = Split(
            "bike car phone laptop guitar camera couch tent jacket ring wallet drone watch boat piano lamp mirror radio suitcase skateboard tablet "
            + "necklace violin backpack umbrella clock printer blender canoe kite"),
        ["day"] = Split("monday tuesday wednesday thursday friday saturday sunday week month night summer winter"),
        ["place"] = Split(
            "airport beach library office gym park mall church station museum hospital hotel school stadium bakery cinema farm lake market zoo"),
        ["amount"] = Split("twenty thirty forty fifty sixty seventy eighty ninety"),
        ["reaction"] = Split("denied apologized laughed cried left lied shrugged yelled refused complained joked panicked"),
        ["feeling"] = Split("furious sad angry confused tired worried hurt embarrassed jealous scared upset nervous"),
        ["action"] = Split("forgive confront avoid call ignore sue thank trust help warn forget report block pay"),
        ["he"] = Split("he she"),
        ["him"] = Split("him her"),
    };

    private static readonly Dictionary<string, HashSet<string>> Members =
        Vocabulary.ToDictionary(entry => entry.Key, entry => entry.Value.ToHashSet());

    /// <summary>The words that fit a slot.</summary>
    public static string[] Of(string slot) => Vocabulary[slot.TrimEnd('2')];

    /// <summary>Whether a word fits a slot.</summary>
    public static bool Has(string slot, string word) => Members[slot.TrimEnd('2')].Contains(word);

    /// <summary>Every word and punctuation mark that posts and reference summaries can contain, sorted.</summary>
    public static IEnumerable<string> AllWords()
    {
        TldrTemplate[][] templates = [.. Statements.Values, [.. Clauses.Values], Titles, Openings, Fillers, Closings, Phrases];
        return templates.SelectMany(group => group).SelectMany(template => template.Parts).Where(part => part[0] != '{')
            .Concat(Vocabulary.Values.SelectMany(words => words)).Concat(Subreddits)
            .Concat(["SUBREDDIT", "TITLE", "POST", "TL", "DR", "r", ":", ";", "/", "\n"]).Distinct().Order(StringComparer.Ordinal);
    }

    private static string[] Split(string words) => words.Split(' ');

    private static TldrTemplate[] Templates(params string[] texts) => [.. texts.Select(text => new TldrTemplate(text))];
}
