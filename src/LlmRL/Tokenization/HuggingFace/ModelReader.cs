namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Reads the model of a <c>tokenizer.json</c>, and GPT-2's pair of vocabulary and merges files.</summary>
internal static class ModelReader
{
    public static ITokenModel Read(LocatedJson value)
    {
        if (!value.IsObject)
            throw value.Error("the model is missing: this is no tokenizer.json");
        return Kind(value) switch
        {
            "BPE" => ReadBpe(value),
            "WordLevel" => ReadWordLevel(value),
            "WordPiece" => ReadWordPiece(value),
            "Unigram" => ReadUnigram(value),
            _ => throw ComponentReader.Unknown(value, "model", "BPE, WordLevel, WordPiece, Unigram"),
        };
    }

    /// <summary>Merges as lines of two tokens, ranked by their order.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="prefix">The continuation prefix, which a merge drops from its right part.</param>
    /// <param name="merges">The pairs.</param>
    /// <param name="count">About how many there are.</param>
    public static PairTable Table(Vocabulary vocabulary, string prefix, IEnumerable<Merge> merges, int count)
    {
        var table = new PairTable(count);
        var rank = 0;
        Span<char> buffer = stackalloc char[256];
        foreach (var merge in merges)
        {
            var left = merge.Left.Span;
            var right = merge.Right.Span;
            int leftId = vocabulary.Find(left), rightId = vocabulary.Find(right);
            var tail = right.StartsWith(prefix, StringComparison.Ordinal) ? right[prefix.Length..] : right;
            int merged;
            if (left.Length + tail.Length <= buffer.Length)
            {
                left.CopyTo(buffer);
                tail.CopyTo(buffer[left.Length..]);
                merged = vocabulary.Find(buffer[..(left.Length + tail.Length)]);
            }
            else
            {
                merged = vocabulary.Find(string.Concat(left, tail));
            }

            if (leftId < 0 || rightId < 0 || merged < 0)
            {
                var missing = leftId < 0 ? left : rightId < 0 ? right : string.Concat(left, tail);
                throw new BadInputException($"{merge.Place}: the merge of '{left}' and '{right}' names '{missing}', which the vocabulary lacks: "
                    + "merges and vocabulary come from different tokenizers, or the file is damaged");
            }

            table.TryAdd(leftId, rightId, rank++, merged);
        }

        return table;
    }

    /// <summary>A vocabulary as a JSON object of ids by token.</summary>
    public static Vocabulary ReadVocabulary(LocatedJson value)
    {
        if (!value.IsObject)
            throw value.Expected("an object of ids by token");
        var vocabulary = new Vocabulary(value.Element.GetPropertyCount());
        var limit = LocatedJson.IdLimit(value.Element.GetPropertyCount());
        foreach (var member in value.Element.EnumerateObject())
        {
            if (member.Value.ValueKind != System.Text.Json.JsonValueKind.Number || !member.Value.TryGetInt32(out var id) || id < 0 || id >= limit)
                throw new LocatedJson(value.File, $"{value.Path}[\"{member.Name}\"]", member.Value).Expected($"a token id from 0 to {limit - 1}");
            vocabulary.Add(member.Name, id);
        }

        return vocabulary;
    }

    // Files written before the type was stored tell it by their keys.
    private static string Kind(LocatedJson value)
    {
        if (!value["type"].IsAbsent)
            return value["type"].Text;
        if (value["merges"].IsArray)
            return "BPE";
        if (value["vocab"].IsArray)
            return "Unigram";
        return value["continuing_subword_prefix"].IsAbsent ? "WordLevel" : "WordPiece";
    }

    private static BpeModel ReadBpe(LocatedJson value)
    {
        var vocabulary = ReadVocabulary(value["vocab"]);
        var prefix = value["continuing_subword_prefix"].TextOrNull() ?? "";
        var merges = value["merges"];
        var table = Table(vocabulary, prefix, ReadMerges(merges), merges.IsArray ? merges.Element.GetArrayLength() : 0);
        var byteFallback = value["byte_fallback"].FlagOr(false);
        return new BpeModel(vocabulary, table, new BpeOptions
        {
            UnknownId = UnknownId(value["unk_token"], vocabulary, isRequired: false),
            FuseUnknown = value["fuse_unk"].FlagOr(false),
            ByteFallback = byteFallback,
            IgnoreMerges = value["ignore_merges"].FlagOr(false),
            Prefix = prefix,
            Suffix = value["end_of_word_suffix"].TextOrNull() ?? "",
        });
    }

    private static IEnumerable<Merge> ReadMerges(LocatedJson merges)
    {
        if (!merges.IsArray)
            throw merges.Expected("a list of merges");
        var index = 0;
        foreach (var item in merges.Element.EnumerateArray())
        {
            var place = new MergePlace(merges.File, "model.merges", index++);
            if (item.ValueKind == System.Text.Json.JsonValueKind.String)
                yield return Merge.Parse(item.GetString()!, place);
            else if (item.ValueKind == System.Text.Json.JsonValueKind.Array && item.GetArrayLength() == 2
                && item[0].ValueKind == System.Text.Json.JsonValueKind.String && item[1].ValueKind == System.Text.Json.JsonValueKind.String)
                yield return new Merge(item[0].GetString().AsMemory(), item[1].GetString().AsMemory(), place);
            else
                throw new BadInputException($"{place}: expected \"left right\" or [\"left\", \"right\"], found {item.GetRawText()}");
        }
    }

    private static WordLevelModel ReadWordLevel(LocatedJson value)
    {
        var vocabulary = ReadVocabulary(value["vocab"]);
        return new WordLevelModel(vocabulary, UnknownId(value["unk_token"], vocabulary, isRequired: false));
    }

    private static WordPieceModel ReadWordPiece(LocatedJson value)
    {
        var vocabulary = ReadVocabulary(value["vocab"]);
        var maximum = value["max_input_chars_per_word"];
        return new WordPieceModel(vocabulary, UnknownId(value["unk_token"], vocabulary, isRequired: true),
            value["continuing_subword_prefix"].TextOrNull() ?? "##", maximum.IsAbsent ? 100 : maximum.Integer);
    }

    private static UnigramModel ReadUnigram(LocatedJson value)
    {
        var count = value["vocab"].IsArray ? value["vocab"].Element.GetArrayLength() : throw value["vocab"].Expected("a list of [token, score]");
        var vocabulary = new Vocabulary(count);
        var scores = new double[count];
        var index = 0;
        foreach (var item in value["vocab"].Items)
        {
            if (!item.IsArray || item.Element.GetArrayLength() != 2)
                throw item.Expected("[token, score]");
            var pair = item.Items.ToArray();
            vocabulary.Add(pair[0].Text, index);
            scores[index++] = pair[1].Number;
        }

        var unknownId = value["unk_id"].IsAbsent ? -1 : value["unk_id"].Id;
        if (unknownId >= count)
            throw value["unk_id"].Expected($"an id below {count}");
        return new UnigramModel(vocabulary, scores, unknownId, value["byte_fallback"].FlagOr(false), _ => true);
    }

    private static int UnknownId(LocatedJson value, Vocabulary vocabulary, bool isRequired)
    {
        if (value.TextOrNull() is not { } text)
            return isRequired ? throw value.Expected("the unknown token") : -1;
        var id = vocabulary.Find(text);
        return id >= 0 || !isRequired ? id : throw value.Error($"the unknown token '{text}' is not in the vocabulary");
    }
}

/// <summary>Where a merge stands: in a JSON list by its index, in a file of merges by its line.</summary>
internal readonly record struct MergePlace(string File, string? List, int Number)
{
    public override string ToString() => List is null ? $"{File}, line {Number}" : $"{File}: {List}[{Number}]";
}

/// <summary>Two tokens that become one.</summary>
internal readonly record struct Merge(ReadOnlyMemory<char> Left, ReadOnlyMemory<char> Right, MergePlace Place)
{
    public static Merge Parse(string line, MergePlace place)
    {
        var space = line.IndexOf(' ');
        if (space <= 0 || space == line.Length - 1 || line.IndexOf(' ', space + 1) >= 0)
            throw new BadInputException($"{place}: expected two tokens with one space between them, found '{line}'");
        return new Merge(line.AsMemory(0, space), line.AsMemory(space + 1), place);
    }
}
