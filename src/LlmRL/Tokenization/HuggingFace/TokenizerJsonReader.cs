namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Reads a <c>tokenizer.json</c> into a <see cref="Pipeline"/>. A component that is not known is an error that names file and key.</summary>
internal static class TokenizerJsonReader
{
    public static Pipeline Read(LocatedJson document)
    {
        var model = ModelReader.Read(document["model"]);
        var added = ReadAddedTokens(document["added_tokens"], model.Vocabulary);
        var (prefix, suffix) = ReadTemplate(document["post_processor"]);
        var size = Math.Max(model.Vocabulary.Size, added.Select(t => t.Id + 1).DefaultIfEmpty().Max());
        if (prefix.Concat(suffix).FirstOrDefault(id => id >= size, -1) is >= 0 and var strange)
            throw document["post_processor"].Error($"the template adds the id {strange}, but the tokenizer's go from 0 to {size - 1}");
        return new Pipeline
        {
            Model = model,
            AddedTokens = added,
            Normalizer = ComponentReader.Normalizer(document["normalizer"]),
            PreTokenizer = ComponentReader.PreTokenizer(document["pre_tokenizer"]),
            TemplatePrefix = prefix,
            TemplateSuffix = suffix,
            Decoder = ComponentReader.Decoder(document["decoder"]),
        };
    }

    private static AddedToken[] ReadAddedTokens(LocatedJson value, Vocabulary vocabulary)
    {
        if (value.IsAbsent)
            return [];
        var tokens = new List<AddedToken>();
        var limit = LocatedJson.IdLimit(vocabulary.Size + value.Items.Count());
        foreach (var item in value.Items)
        {
            var special = item["special"].FlagOr(false);
            var content = item["content"].Text;
            // Where the model knows the token its id counts, as in Hugging Face's library.
            var known = vocabulary.Find(content);
            tokens.Add(new AddedToken(known >= 0 ? known : item["id"].IdBelow(limit), content)
            {
                SingleWord = item["single_word"].FlagOr(false),
                StripLeft = item["lstrip"].FlagOr(false),
                StripRight = item["rstrip"].FlagOr(false),
                Normalized = item["normalized"].FlagOr(!special),
                Special = special,
            });
        }

        return [.. tokens];
    }

    private static (int[] Prefix, int[] Suffix) ReadTemplate(LocatedJson value)
    {
        if (value.IsAbsent)
            return ([], []);
        switch (value["type"].Text)
        {
            case "ByteLevel":
                return ([], []);
            case "TemplateProcessing":
                return ReadSingleTemplate(value);
            case "BertProcessing" or "RobertaProcessing":
                return ([PairId(value["cls"])], [PairId(value["sep"])]);
            case "Sequence":
                List<int> prefix = [], suffix = [];
                foreach (var step in value["processors"].Items)
                {
                    var (before, after) = ReadTemplate(step);
                    prefix.InsertRange(0, before);
                    suffix.AddRange(after);
                }

                return ([.. prefix], [.. suffix]);
            default:
                throw ComponentReader.Unknown(value, "post-processor", "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence");
        }
    }

    private static int PairId(LocatedJson value) => value.Items.ToArray() is [_, var id] ? id.Id : throw value.Expected("[token, id]");

    private static (int[] Prefix, int[] Suffix) ReadSingleTemplate(LocatedJson value)
    {
        List<int> prefix = [], suffix = [];
        var target = prefix;
        foreach (var item in value["single"].Items)
        {
            if (item["Sequence"].IsObject)
            {
                target = suffix;
                continue;
            }

            var name = item["SpecialToken"]["id"].Text;
            foreach (var id in value["special_tokens"][name]["ids"].Items)
                target.Add(id.Id);
        }

        return ([.. prefix], [.. suffix]);
    }
}
