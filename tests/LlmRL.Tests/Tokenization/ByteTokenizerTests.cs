using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using LlmRL.Tokenization;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tests.Tokenization;

public class ByteTokenizerTests
{
    private static readonly ByteTokenizer Bytes = new();

    [Fact]
    public void Ids_are_utf8_bytes_and_bos_comes_first()
    {
        Assert.Equal([104, 0xC3, 0xA9, 10], Bytes.Encode("hé\n"));
        Assert.Equal([256, 104], Bytes.Encode("h", addSpecialTokens: true));
        Assert.Equal(259, Bytes.VocabularySize);
        Assert.Equal((256, 257, 258), (Bytes.BosId, Bytes.EosId, Bytes.PadId));
    }

    [Fact]
    public void Special_spellings_are_special_tokens()
    {
        Assert.Equal([97, 257, 258, 256, 60, 124, 101], Bytes.Encode("a<|eos|><|pad|><|bos|><|e"));
        Assert.Equal("a", Bytes.Decode([256, 97, 257, 258]));
        Assert.Equal("<|bos|>a<|eos|>", Bytes.Decode([256, 97, 257], skipSpecialTokens: false));
    }

    [Fact]
    public void Bytes_that_are_no_utf8_become_replacement_characters() => Assert.Equal("a\uFFFDb", Bytes.Decode([97, 0xC3, 98]));

    [Fact]
    public void An_id_of_another_tokenizer_is_named() =>
        Assert.Contains("token id 259 is outside the vocabulary [0, 259)", Assert.Throws<BadInputException>(() => Bytes.Decode([259])).Message);

    [Fact]
    public void Every_text_round_trips() => Check.QuickThrowOnFailure(Prop.ForAll(ArbMap.Default.ArbFor<UnicodeText>(), text =>
        Bytes.Decode(Bytes.Encode(text.Value), skipSpecialTokens: false) == text.Value));

    [Fact]
    public void The_saved_folder_loads_with_the_same_ids_and_its_pipeline_agrees()
    {
        using var folder = new TemporaryFolder();
        Bytes.Save(folder.Path);
        Assert.IsType<ByteTokenizer>(TokenizerLoader.Load(folder.Path));

        var json = LocatedJson.Parse("tokenizer.json", File.ReadAllBytes(Path.Combine(folder.Path, "tokenizer.json")));
        var pipeline = new HuggingFaceTokenizer(TokenizerJsonReader.Read(json), new SpecialTokenIds(256, 257, 258), new TokenizerFiles());
        const string Text = "Ünïcödé 🦙\t<|eos|> x\0";
        Assert.Equal(Bytes.Encode(Text, true), pipeline.Encode(Text, true));
        Assert.Equal(Bytes.Decode(Bytes.Encode(Text)), pipeline.Decode(pipeline.Encode(Text)));
        Assert.Equal(Enumerable.Range(0, 259).Select(Bytes.TokenText), Enumerable.Range(0, 259).Select(pipeline.TokenText));
        using var config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder.Path, "tokenizer_config.json")));
        Assert.Equal("<|eos|>", config.RootElement.GetProperty("eos_token").GetString());
    }

    [Fact]
    public void The_byte_alphabet_is_gpt2s()
    {
        Assert.Equal("ĠHĊĀ¡ŀł\u0143", ByteAlphabet.Spell([32, 72, 10, 0, 0xA1, 0x9E, 0xA0, 0xAD]));
        Assert.All(Enumerable.Range(0, 256), b => Assert.Equal(b, ByteAlphabet.ByteOf(ByteAlphabet.CharOf((byte)b))));
        Assert.Equal(-1, ByteAlphabet.ByteOf(' '));
    }

    /// <summary>Text of whole code points: lone surrogates have no UTF-8 form.</summary>
    public sealed record UnicodeText(StringWrapper Raw)
    {
        public string Value => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(Raw.Value ?? ""));
    }

    public sealed record StringWrapper(string? Value);
}
