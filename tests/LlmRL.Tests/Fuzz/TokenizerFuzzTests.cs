using System.Text;
using LlmRL.Tests.Tokenization;
using LlmRL.Tokenization;
using LlmRL.Tokenization.SentencePiece;
using LlmRL.Tokenization.Training;

namespace LlmRL.Tests.Fuzz;

/// <summary>Damaged tokenizer files: they load and work, or fail with one clear message; nothing else, and never much memory.</summary>
public class TokenizerFuzzTests
{
    private const int Rounds = 200;
    private const long MostBytes = 64L << 20;
    private const string Text = "Hello  world, it's 12345 <s> ▁x é🦙\n\0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";

    private static readonly string[] Documents =
    [
        """
        {"added_tokens":[{"id":2,"content":"</s>","special":true,"lstrip":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"},
        {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},{"type":"Prepend","prepend":"▁"},{"type":"Strip"}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[
        {"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\w+(?!x)"},"behavior":"MergedWithNext","invert":false},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"},
        {"type":"Digits","individual_digits":true}]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"</s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
        "special_tokens":{"</s>":{"id":"</s>","ids":[2],"tokens":["</s>"]}}},"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},
        {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},"model":{"type":"BPE","vocab":{"a":0,"b":1,"</s>":2,"<pad>":3,"ab":4,"▁":5},
        "merges":["a b"],"unk_token":"a","fuse_unk":true,"byte_fallback":false,"continuing_subword_prefix":null,"end_of_word_suffix":null,"ignore_merges":false}}
        """,
        """
        {"added_tokens":[{"id":3,"content":"</s>","special":true}],"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":{"type":"BertProcessing","sep":["</s>",3],"cls":["</s>",3]},
        "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["ab",-1.5],["</s>",-3]],"byte_fallback":false}}
        """,
        """
        {"normalizer":{"type":"BertNormalizer","lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"BPEDecoder","suffix":"</w>"},
        "model":{"type":"WordPiece","unk_token":"<unk>","max_input_chars_per_word":9,"vocab":{"<unk>":0,"a":1,"##a":2,"</s>":3}}}
        """,
    ];

    [Fact]
    public void A_tokenizer_json_with_other_values_in_it_loads_or_is_refused() =>
        Fuzz.Rounds(Rounds, 5, random => Try("tokenizer.json", Encoding.UTF8.GetBytes(Fuzz.Changed(random.Pick(Documents), random))));

    [Fact]
    public void A_tokenizer_json_with_other_bytes_in_it_loads_or_is_refused() =>
        Fuzz.Rounds(Rounds, 6, random => Try("tokenizer.json", Fuzz.Damage(Encoding.UTF8.GetBytes(random.Pick(Documents)), random)));

    [Fact]
    public void A_tokenizer_model_with_other_bytes_in_it_loads_or_is_refused()
    {
        var model = Model();
        Fuzz.Rounds(Rounds, 7, random => Try("tokenizer.model", Fuzz.Damage(model, random)));
    }

    [Fact]
    public void A_trained_tokenizer_with_other_bytes_in_it_loads_or_is_refused()
    {
        using var folder = new TemporaryFolder();
        ByteLevelBpeTrainer.Train(["hello hello world world"], ByteLevelBpeTrainer.SmallestSize + 6).Save(folder.Path);
        foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json" })
        {
            var good = File.ReadAllBytes(Path.Combine(folder.Path, name));
            Fuzz.Rounds(Rounds / 4, 8, random =>
            {
                File.WriteAllBytes(Path.Combine(folder.Path, name), Fuzz.Damage(good, random));
                Try(folder.Path);
            });
            File.WriteAllBytes(Path.Combine(folder.Path, name), good);
        }
    }

    [Theory]
    [InlineData("""{"model":{"type":"WordLevel","vocab":{"a":268435454}}}""", "model.vocab[\"a\"]: expected a token id from 0 to 65537, found 268435454")]
    [InlineData("""{"added_tokens":[{"id":99999999,"content":"x"}],"model":{"type":"WordLevel","vocab":{"a":0}}}""", "added_tokens[0].id: expected a token id from 0 to 65539")]
    [InlineData("""{"post_processor":{"type":"BertProcessing","sep":["x"],"cls":[]},"model":{"type":"WordLevel","vocab":{"a":0}}}""", "post_processor.cls: expected [token, id], found []")]
    [InlineData("""{"post_processor":{"type":"BertProcessing","sep":["x",1],"cls":["x",7]},"model":{"type":"WordLevel","vocab":{"a":0}}}""", "post_processor: the template adds the id 7")]
    [InlineData("""{"model":{"type":"WordLevel","vocab":{"a":0,"\ud800":1}}}""", "a string has one half of a surrogate pair")]
    [InlineData("""{"model":{"type":"WordLevel","vocab":{"a":"0"}}}""", "model.vocab[\"a\"]: expected a token id from 0 to 65537, found \"0\"")]
    public void A_lie_is_named(string json, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("tokenizer.json", json);
        Assert.Contains(message, Assert.Throws<BadInputException>(() => TokenizerLoader.Load(path)).Message);
    }

    private static void Try(string name, byte[] content)
    {
        using var folder = new TemporaryFolder();
        folder.Write(name, content);
        folder.Write("config.json", """{"eos_token_id":2}""");
        Try(folder.Path);
    }

    private static void Try(string folder)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var tokenizer = TokenizerLoader.Load(folder);
            var ids = tokenizer.Encode(Text, addSpecialTokens: true);
            Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
            tokenizer.Decode(ids, skipSpecialTokens: false);
        }
        catch (BadInputException fault)
        {
            Assert.NotEmpty(fault.Message);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostBytes);
    }

    private static byte[] Model()
    {
        using var file = new MemoryStream();
        file.Write(BitConverter.GetBytes(8));
        for (var id = 0; id < 300; id++)
        {
            var text = Encoding.UTF8.GetBytes(id < 3 ? new[] { "<unk>", "<s>", "</s>" }[id] : id < 259 ? $"<0x{id - 3:X2}>" : ((char)('a' + (id % 26))).ToString() + (id % 2 == 0 ? "b" : ""));
            file.Write(BitConverter.GetBytes(-(float)id));
            file.Write(BitConverter.GetBytes(text.Length));
            file.Write(text);
        }

        return SentencePieceWriter.Write(SentencePieceModel.ParseLlama2c("x", file.ToArray()));
    }
}
