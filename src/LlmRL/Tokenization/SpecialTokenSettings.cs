using System.Text.Json;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tokenization;

/// <summary>
/// What the files beside a tokenizer say of its special tokens: <c>tokenizer_config.json</c> first, then <c>special_tokens_map.json</c>, both by
/// spelling, then <c>generation_config.json</c> and the model's <c>config.json</c> by id, then the usual spellings.
/// </summary>
internal sealed class SpecialTokenSettings
{
    private static readonly string[] SpellingFiles = [TokenizerLoader.ConfigName, "special_tokens_map.json"];
    private static readonly string[] IdFiles = ["generation_config.json", "config.json"];
    private static readonly string[] UsualBos = ["<s>", "<|bos|>", "<bos>", "<|begin_of_text|>", "[CLS]", "<|endoftext|>"];
    private static readonly string[] UsualEos = ["</s>", "<|eos|>", "<eos>", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>", "[SEP]"];
    private static readonly string[] UsualPad = ["<|pad|>", "<pad>", "[PAD]", "<|padding|>", "<|endoftext|>", "<unk>", "[UNK]"];

    private readonly List<LocatedJson> _bySpelling = [];
    private readonly List<LocatedJson> _byId = [];

    /// <param name="folder">The tokenizer's folder.</param>
    /// <param name="modelFolder">The model's folder, where that is another one.</param>
    public SpecialTokenSettings(string folder, string modelFolder)
    {
        foreach (var name in SpellingFiles)
            Read(folder, name, _bySpelling);
        foreach (var name in IdFiles)
            Read(modelFolder, name, _byId);
    }

    /// <summary>Which tokens <c>add_bos_token</c> and <c>add_eos_token</c> ask for.</summary>
    public SentencePiece.AddedEnds Ends
    {
        get
        {
            var config = _bySpelling.FirstOrDefault();
            return config.IsObject ? new(config["add_bos_token"].FlagOr(true), config["add_eos_token"].FlagOr(false)) : new(true, false);
        }
    }

    /// <summary>The ids.</summary>
    /// <param name="source">The tokenizer's file, for messages.</param>
    /// <param name="size">Size of the vocabulary.</param>
    /// <param name="find">Id of a spelling, or -1.</param>
    /// <param name="own">What the tokenizer's own file says; -1 where it says nothing.</param>
    /// <param name="special">Further ids of special tokens.</param>
    public SpecialTokenIds Resolve(string source, int size, Func<string, int> find, (int Bos, int Eos, int Pad) own, IEnumerable<int> special)
    {
        var named = Named("eos_token", find);
        var eos = First(named, own.Eos, ById("eos_token_id", size), Usual(UsualEos, find));
        if (eos < 0)
            throw new BadInputException($"{source}: no end-of-sequence token is known; "
                + $"name it as \"eos_token\" in a {TokenizerLoader.ConfigName} beside it");
        var bos = First(Named("bos_token", find), own.Bos, ById("bos_token_id", size),
            SaysNoBos ? -1 : Usual(UsualBos, find));
        int[] paddings =
        [
            Named("pad_token", find), own.Pad, ById("pad_token_id", size), .. UsualPad.Select(find), Named("unk_token", find),
            .. special.Where(id => id != bos), bos,
        ];
        var pad = paddings.FirstOrDefault(id => id >= 0 && id != eos, eos);
        return new SpecialTokenIds(bos < 0 ? null : bos, eos, pad);
    }

    // "bos_token": null is a statement, not an omission.
    private bool SaysNoBos => _bySpelling.Exists(v => v.Element.TryGetProperty("bos_token", out var bos) && bos.ValueKind == JsonValueKind.Null);

    private static int First(params ReadOnlySpan<int> ids)
    {
        foreach (var id in ids)
        {
            if (id >= 0)
                return id;
        }

        return -1;
    }

    private static int Usual(string[] spellings, Func<string, int> find) => First([.. spellings.Select(find)]);

    private static void Read(string folder, string name, List<LocatedJson> values)
    {
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
            return;
        var value = LocatedJson.Parse(path, TokenizerErrors.ReadAllBytes(path));
        values.Add(value.IsObject ? value : throw value.Expected("an object"));
    }

    private int Named(string key, Func<string, int> find)
    {
        foreach (var settings in _bySpelling)
        {
            var token = settings[key].IsObject ? settings[key]["content"] : settings[key];
            if (token.IsText && find(token.Text) is >= 0 and var id)
                return id;
        }

        return -1;
    }

    private int ById(string key, int size)
    {
        foreach (var settings in _byId)
        {
            var value = settings[key];
            if (value.IsArray)
                value = value.Items.FirstOrDefault();
            if (value.Element.ValueKind == JsonValueKind.Number && value.Element.TryGetInt32(out var id) && id >= 0 && id < size)
                return id;
        }

        return -1;
    }
}
