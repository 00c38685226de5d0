using System.Text;
using LlmRL.Tokenization.SentencePiece;

namespace LlmRL.Tokenization.HuggingFace;

/// <summary>Reads the normalisers, pre-tokenizers and decoders of a <c>tokenizer.json</c>.</summary>
internal static class ComponentReader
{
    public static BadInputException Unknown(LocatedJson value, string kind, string known) =>
        value["type"].Error($"'{value["type"].TextOrNull()}' is no known {kind}; known are {known}");

    public static INormalizer? Normalizer(LocatedJson value)
    {
        if (value.IsAbsent)
            return null;
        return value["type"].Text switch
        {
            "Sequence" => new SequenceNormalizer([.. value["normalizers"].Items.Select(Normalizer).OfType<INormalizer>()]),
            "NFC" => new UnicodeFormNormalizer(NormalizationForm.FormC),
            "NFD" => new UnicodeFormNormalizer(NormalizationForm.FormD),
            "NFKC" => new UnicodeFormNormalizer(NormalizationForm.FormKC),
            "NFKD" => new UnicodeFormNormalizer(NormalizationForm.FormKD),
            "Lowercase" => new FunctionNormalizer(FunctionNormalizer.Lowercase),
            "StripAccents" => new FunctionNormalizer(FunctionNormalizer.StripAccents),
            "Nmt" => new FunctionNormalizer(FunctionNormalizer.Nmt),
            "ByteLevel" => new FunctionNormalizer(text => ByteLevel.Spell(text)),
            "Prepend" => Prepend(value["prepend"].Text),
            "Strip" => Strip(value["strip_left"].FlagOr(true), value["strip_right"].FlagOr(true)),
            "Replace" => Replace(value),
            "Precompiled" => Precompiled(value["precompiled_charsmap"]),
            "BertNormalizer" => Bert(value),
            _ => throw Unknown(value, "normalizer", "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, Nmt, "
                + "ByteLevel, Precompiled, BertNormalizer"),
        };
    }

    public static IPreTokenizer? PreTokenizer(LocatedJson value)
    {
        if (value.IsAbsent)
            return null;
        return value["type"].Text switch
        {
            "Sequence" => new SequencePreTokenizer([.. value["pretokenizers"].Items.Select(PreTokenizer).OfType<IPreTokenizer>()]),
            "ByteLevel" => new ByteLevelPreTokenizer(value["add_prefix_space"].FlagOr(true), value["use_regex"].FlagOr(true)),
            "Split" => new SplitPreTokenizer(SplitPattern.Parse(value["pattern"]), Behavior(value["behavior"]), value["invert"].FlagOr(false)),
            "CharDelimiterSplit" => new SplitPreTokenizer(SplitPattern.ForLiteral(value["delimiter"].Text), SplitBehavior.Removed, invert: false),
            "Whitespace" => new WordPreTokenizer(),
            "WhitespaceSplit" => ClassPreTokenizer.Whitespace,
            "Digits" => ClassPreTokenizer.Digits(value["individual_digits"].FlagOr(false)),
            "Punctuation" => ClassPreTokenizer.Punctuation(value["behavior"].IsAbsent ? SplitBehavior.Isolated : Behavior(value["behavior"])),
            "BertPreTokenizer" => new SequencePreTokenizer([ClassPreTokenizer.Whitespace, ClassPreTokenizer.Punctuation(SplitBehavior.Isolated)]),
            "Metaspace" => new MetaspacePreTokenizer(value["replacement"].Character, Scheme(value), value["split"].FlagOr(true)),
            _ => throw Unknown(value, "pre-tokenizer", "Sequence, ByteLevel, Split, CharDelimiterSplit, Whitespace, WhitespaceSplit, Digits, "
                + "Punctuation, BertPreTokenizer, Metaspace"),
        };
    }

    public static IDecoder? Decoder(LocatedJson value)
    {
        if (value.IsAbsent)
            return null;
        return value["type"].Text switch
        {
            "Sequence" => new SequenceDecoder([.. value["decoders"].Items.Select(Decoder).OfType<IDecoder>()]),
            "ByteLevel" => new ByteLevelDecoder(),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Strip" => TokenDecoder.Strip(value["content"].Character, value["start"].Integer, value["stop"].Integer),
            "Replace" => ReplaceDecoder(value),
            "Metaspace" => TokenDecoder.Metaspace(value["replacement"].Character, Scheme(value)),
            "WordPiece" => TokenDecoder.WordPiece(value["prefix"].TextOrNull() ?? "##", value["cleanup"].FlagOr(true)),
            "BPEDecoder" => new SuffixDecoder(value["suffix"].TextOrNull() ?? "</w>"),
            _ => throw Unknown(value, "decoder", "Sequence, ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, WordPiece, BPEDecoder"),
        };
    }

    private static FunctionNormalizer Prepend(string prefix) => new(text => text.Length > 0 ? prefix + text : text);

    private static FunctionNormalizer Strip(bool left, bool right) => new(text => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        _ => text,
    });

    private static FunctionNormalizer Replace(LocatedJson value)
    {
        var pattern = SplitPattern.Parse(value["pattern"]);
        var content = value["content"].Text;
        return new FunctionNormalizer(text => pattern.Replace(text, content));
    }

    private static TokenDecoder ReplaceDecoder(LocatedJson value)
    {
        var pattern = SplitPattern.Parse(value["pattern"]);
        var content = value["content"].Text;
        return new TokenDecoder((token, _) => pattern.Replace(token, content));
    }

    private static FunctionNormalizer Precompiled(LocatedJson value)
    {
        try
        {
            var map = new CharactersMap(Convert.FromBase64String(value.Text));
            return new FunctionNormalizer(map.Normalize);
        }
        catch (Exception fault) when (fault is FormatException or InvalidDataException)
        {
            throw value.Error($"not a precompiled character map: {fault.Message}; the file is damaged: fetch it again");
        }
    }

    private static BertNormalizer Bert(LocatedJson value)
    {
        var lowercase = value["lowercase"].FlagOr(true);
        return new BertNormalizer(value["clean_text"].FlagOr(true), value["handle_chinese_chars"].FlagOr(true),
            value["strip_accents"].FlagOr(lowercase), lowercase);
    }

    private static SplitBehavior Behavior(LocatedJson value) => value.Text switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        _ => throw value.Expected("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous"),
    };

    private static PrependScheme Scheme(LocatedJson metaspace)
    {
        var scheme = metaspace["prepend_scheme"];
        if (scheme.IsAbsent)
            return metaspace["add_prefix_space"].FlagOr(true) ? PrependScheme.Always : PrependScheme.Never;
        return scheme.Text switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw scheme.Expected("always, first or never"),
        };
    }
}
