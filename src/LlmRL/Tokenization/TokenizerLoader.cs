using LlmRL.Tokenization.Chat;
using LlmRL.Tokenization.HuggingFace;
using LlmRL.Tokenization.SentencePiece;

namespace LlmRL.Tokenization;

/// <summary>
/// Finds and reads tokenizers: <c>bytes</c>, a folder, or a file.
/// </summary>
/// <remarks>
/// In a folder the first of these counts: <c>tokenizer.json</c>; <c>tokenizer.model</c>; <c>vocab.json</c> or <c>encoder.json</c> with
/// <c>merges.txt</c> or <c>vocab.bpe</c>; a <c>tokenizer_config.json</c> with <c>char_ords</c>; the only <c>*.model</c>; the only <c>tok*.bin</c>
/// (llama2.c). A folder with none of them but with a model's <c>config.json</c> or <c>*.safetensors</c> is given its parent folder's tokenizer.
/// </remarks>
public static class TokenizerLoader
{
    internal const string JsonName = "tokenizer.json", ConfigName = "tokenizer_config.json", ModelName = "tokenizer.model",
        ChatTemplateName = "chat_template.jinja", ProcessorTemplateName = "chat_template.json";

    private static readonly string[] VocabularyNames = ["vocab.json", "encoder.json"], MergesNames = ["merges.txt", "vocab.bpe"];
    private static readonly string[] Companions =
        [ConfigName, "special_tokens_map.json", "added_tokens.json", ChatTemplateName, ProcessorTemplateName];

    /// <summary>Loads a tokenizer.</summary>
    /// <param name="spec"><c>bytes</c>, the path of a folder, or the path of a tokenizer file.</param>
    public static Tokenizer Load(string spec) => Load(spec, out _);

    /// <summary>Loads a tokenizer and tells where it was found.</summary>
    /// <param name="spec"><c>bytes</c>, the path of a folder, or the path of a tokenizer file.</param>
    /// <param name="source"><c>bytes</c>, or the path of the file that was read.</param>
    public static Tokenizer Load(string spec, out string source)
    {
        ArgumentNullException.ThrowIfNull(spec);
        source = "bytes";
        if (spec == "bytes")
            return new ByteTokenizer();
        if (File.Exists(spec))
        {
            source = spec;
            var folder = Path.GetDirectoryName(Path.GetFullPath(spec))!;
            return WithChatTemplate(Read(spec, folder, folder), folder);
        }

        if (!Directory.Exists(spec))
            throw new BadInputException($"tokenizer '{spec}': no such file or folder; "
                + "give bytes, a folder in Hugging Face layout, or a tokenizer's file");
        var home = spec;
        var found = Find(home);
        if (found is null && LooksLikeModel(spec) && Path.GetDirectoryName(Path.GetFullPath(spec).TrimEnd(Path.DirectorySeparatorChar)) is { } parent)
        {
            home = parent;
            found = Find(parent);
        }

        source = found ?? throw new BadInputException($"{spec}: no tokenizer here: expected {JsonName}, {ModelName}, vocab.json with merges.txt, or a "
            + "single *.model; copy the tokenizer into the folder, or give its path");
        return WithChatTemplate(Read(found, home, spec), home);
    }

    /// <summary>Whether a folder itself has a tokenizer.</summary>
    public static bool Has(string folder) => Directory.Exists(folder) && Find(folder) is not null;

    private static Tokenizer WithChatTemplate(Tokenizer tokenizer, string folder)
    {
        tokenizer.ChatTemplateSource = ChatTemplateFiles.Find(folder, tokenizer);
        return tokenizer;
    }

    private static bool LooksLikeModel(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) || Directory.EnumerateFiles(folder, "*.safetensors").Any();

    private static string? Find(string folder)
    {
        foreach (var name in (ReadOnlySpan<string>)[JsonName, ModelName])
        {
            if (File.Exists(Path.Combine(folder, name)))
                return Path.Combine(folder, name);
        }

        if (Existing(folder, VocabularyNames) is { } vocabulary && Existing(folder, MergesNames) is not null)
            return vocabulary;
        var config = Path.Combine(folder, ConfigName);
        if (File.Exists(config) && CharacterTokenizer.Matches(LocatedJson.Parse(config, TokenizerErrors.ReadAllBytes(config))))
            return config;
        return Only(folder, "*.model") ?? Only(folder, "tok*.bin");
    }

    private static string? Existing(string folder, string[] names) =>
        names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private static string? Only(string folder, string pattern) => Directory.GetFiles(folder, pattern) is [var only] ? only : null;

    private static Tokenizer Read(string path, string folder, string modelFolder)
    {
        var name = Path.GetFileName(path);
        if (VocabularyNames.Contains(name) || MergesNames.Contains(name))
            return ReadPair(folder, modelFolder);
        var content = TokenizerErrors.ReadAllBytes(path);
        var files = CompanionFiles(folder);
        switch (Path.GetExtension(path))
        {
            case ".json":
                var document = LocatedJson.Parse(path, content);
                if (CharacterTokenizer.Matches(document))
                {
                    files.Add(ConfigName, content);
                    return CharacterTokenizer.Read(document, files);
                }

                files.Add(JsonName, content);
                return ReadJson(document, content, files, new SpecialTokenSettings(folder, modelFolder));
            case ".model":
                files.Add(ModelName, content);
                return ReadModel(path, SentencePieceModel.Parse(path, content), files, new SpecialTokenSettings(folder, modelFolder));
            case ".bin":
                var model = SentencePieceModel.ParseLlama2c(path, content);
                files.Add(ModelName, SentencePieceWriter.Write(model));
                return ReadModel(path, model, files, new SpecialTokenSettings(folder, modelFolder));
            default:
                throw new BadInputException($"{path}: the name does not tell what kind of tokenizer it is; expected *.json, *.model, *.bin, "
                    + "merges.txt or vocab.bpe");
        }
    }

    private static TokenizerFiles CompanionFiles(string folder)
    {
        var files = new TokenizerFiles();
        foreach (var name in Companions)
        {
            var path = Path.Combine(folder, name);
            if (File.Exists(path))
                files.Add(name, TokenizerErrors.ReadAllBytes(path));
        }

        return files;
    }

    private static Tokenizer ReadJson(LocatedJson document, byte[] content, TokenizerFiles files, SpecialTokenSettings settings)
    {
        if (ByteTokenizer.Wrote(content))
            return new ByteTokenizer(files);
        return FromPipeline(document.File, TokenizerJsonReader.Read(document), files, settings);
    }

    private static HuggingFaceTokenizer FromPipeline(string source, Pipeline pipeline, TokenizerFiles files, SpecialTokenSettings settings)
    {
        var added = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var token in pipeline.AddedTokens)
            added[token.Content] = token.Id;
        var size = Math.Max(pipeline.Model.Vocabulary.Size, added.Values.DefaultIfEmpty(-1).Max() + 1);
        var special = settings.Resolve(source, size, text => added.TryGetValue(text, out var id) ? id : pipeline.Model.Vocabulary.Find(text),
            (-1, -1, -1), pipeline.AddedTokens.Where(t => t.Special).Select(t => t.Id));
        var tokenizer = new HuggingFaceTokenizer(pipeline, special, files);
        files.AddConfigIfMissing(tokenizer, "PreTrainedTokenizerFast");
        return tokenizer;
    }

    private static SentencePieceTokenizer ReadModel(string path, SentencePieceModel model, TokenizerFiles files, SpecialTokenSettings settings)
    {
        var own = (Control(model.BosPiece), Control(model.EosPiece), Control(model.PadPiece));
        var special = settings.Resolve(path, model.Pieces.Count, text => model.Pieces.FindIndex(p => p.Text == text), own,
            Enumerable.Range(0, model.Pieces.Count).Where(id => model.Pieces[id].Kind is PieceKind.Control or PieceKind.Unknown));
        var tokenizer = new SentencePieceTokenizer(model, special, settings.Ends, files);
        files.AddConfigIfMissing(tokenizer, "LlamaTokenizer", model.Pieces.Find(p => p.Kind == PieceKind.Unknown).Text);
        return tokenizer;

        int Control(string text) => model.Pieces.FindIndex(p => p.Kind == PieceKind.Control && p.Text == text);
    }

    // GPT-2's own files: the vocabulary as JSON, merges one a line below a version line.
    private static HuggingFaceTokenizer ReadPair(string folder, string modelFolder)
    {
        var vocabularyPath = Existing(folder, VocabularyNames);
        var mergesPath = Existing(folder, MergesNames);
        if (vocabularyPath is null || mergesPath is null)
        {
            throw new BadInputException($"{folder}: {(vocabularyPath is null ? "merges without a vocabulary: vocab.json or encoder.json"
                : "a vocabulary without merges: merges.txt or vocab.bpe")} is missing; copy it beside the other file");
        }

        var files = CompanionFiles(folder);
        var vocabularyContent = TokenizerErrors.ReadAllBytes(vocabularyPath);
        var mergesContent = TokenizerErrors.ReadAllBytes(mergesPath);
        files.Add(VocabularyNames[0], vocabularyContent);
        files.Add(MergesNames[0], mergesContent);
        var vocabulary = ModelReader.ReadVocabulary(LocatedJson.Parse(vocabularyPath, vocabularyContent));
        var lines = System.Text.Encoding.UTF8.GetString(mergesContent).Split('\n');
        var merges = lines.Select((line, i) => (Line: line.TrimEnd('\r'), Number: i + 1))
            .Where(l => l.Line.Length > 0 && !(l.Number == 1 && l.Line.StartsWith("#version", StringComparison.Ordinal)))
            .Select(l => Merge.Parse(l.Line, new MergePlace(mergesPath, null, l.Number)));
        var table = ModelReader.Table(vocabulary, "", merges, lines.Length);
        AddedToken[] added = vocabulary.Find("<|endoftext|>") is >= 0 and var id ? [new AddedToken(id, "<|endoftext|>") { Special = true }] : [];
        var pipeline = new Pipeline
        {
            AddedTokens = added,
            Normalizer = null,
            PreTokenizer = new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true),
            Model = new BpeModel(vocabulary, table, new BpeOptions()),
            Decoder = new ByteLevelDecoder(),
        };
        return FromPipeline(vocabularyPath, pipeline, files, new SpecialTokenSettings(folder, modelFolder));
    }
}
