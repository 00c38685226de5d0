using System.Text;
using LlmRL.Tokenization;

namespace LlmRL.Tests.Tokenization;

public class SentencePieceTests
{
    private static readonly (string Text, float Score, int Kind)[] Pieces =
    [
        ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -1, 1), ("a", -1, 1), ("b", -1, 1), ("1", -1, 1), ("▁a", -1.5f, 1), ("ab", -1.2f, 1),
        ("[x]", 0, 4), ("abb", -1.1f, 5),
    ];

    [Fact]
    public void Unigram_with_rules_drops_extra_spaces_and_joins_unknowns()
    {
        var tokenizer = Load(Model(Pieces, type: 1, rules: CircledOne()));
        // "①" becomes "1" by the rules; spaces at the ends go, runs become one; ZZ is one unknown token.
        Assert.Equal("▁|ab|▁|1|<unk>|▁|b", Tokens(tokenizer, "  ab  ①ZZ b "));
        Assert.Equal("ab 1 ⁇  b", tokenizer.Decode(tokenizer.Encode("  ab  ①ZZ b ")));
        Assert.Empty(tokenizer.Encode("   "));
        Assert.Equal([1, 7], tokenizer.Encode("a", addSpecialTokens: true));
    }

    [Fact]
    public void Bpe_keeps_user_defined_pieces_whole_and_takes_unused_ones_apart()
    {
        var tokenizer = Load(Model(Pieces, type: 2, rules: []));
        Assert.Equal("▁|ab|[x]|a|<unk>", Tokens(tokenizer, "ab[x]a["));
        Assert.Equal("▁|ab|b", Tokens(tokenizer, "abb"));
    }

    [Fact]
    public void A_damaged_model_says_so()
    {
        var fault = Assert.Throws<BadInputException>(() => Load(Encoding.ASCII.GetBytes("version https://git-lfs.github.com/spec/v1")));
        Assert.Contains("no SentencePiece model", fault.Message);
        Assert.Contains("Git LFS pointer", fault.Message);
    }

    [SharedFact("data/weights/stories260K/tok512.bin")]
    public void Llama2c_tokenizer_in_the_parent_folder_decodes_the_recorded_story()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/weights/stories260K/hf"), out var source);
        Assert.EndsWith("tok512.bin", source);
        CheckStory(tokenizer, "data/weights/stories260K/hf/reference.json");
        using var folder = new TemporaryFolder();
        tokenizer.Save(folder.Path);
        Assert.Equal(tokenizer.Encode("Once upon a time,\n\té", true), TokenizerLoader.Load(folder.Path).Encode("Once upon a time,\n\té", true));
    }

    [SharedFact("data/weights/babyllama105/tok105.model")]
    public void The_only_model_of_the_parent_folder_is_taken()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/weights/babyllama105/hf"), out var source);
        Assert.EndsWith("tok105.model", source);
        CheckStory(tokenizer, "data/weights/babyllama105/hf/reference.json");
    }

    private static void CheckStory(Tokenizer tokenizer, string reference)
    {
        using var json = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Shared.Path(reference)));
        int[] ids = [.. json.RootElement.GetProperty("greedy_ids").EnumerateArray().Select(e => e.GetInt32())];
        var text = json.RootElement.GetProperty("greedy_text").GetString()!;
        Assert.Equal(text, tokenizer.Decode(ids));
        Assert.Equal(ids[..40], tokenizer.Encode(text, addSpecialTokens: true)[..40]);
        Assert.Equal((1, 2, 0), (tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
    }

    private static Tokenizer Load(byte[] model)
    {
        using var folder = new TemporaryFolder();
        return TokenizerLoader.Load(folder.Write("any.model", model));
    }

    private static string Tokens(Tokenizer tokenizer, string text) => string.Join('|', tokenizer.Encode(text).Select(tokenizer.TokenText));

    private static byte[] Model((string Text, float Score, int Kind)[] pieces, byte type, byte[] rules)
    {
        var output = new List<byte>();
        foreach (var (text, score, kind) in pieces)
            Field(output, 1, [.. Field([], 1, Encoding.UTF8.GetBytes(text)), 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)kind]);
        Field(output, 2, [0x18, type]);
        Field(output, 3, [.. Field([], 2, rules)]);
        return [.. output];
    }

    private static List<byte> Field(List<byte> output, int number, byte[] content)
    {
        output.Add((byte)((number << 3) | 2));
        var length = content.Length;
        for (; length >= 128; length >>= 7)
            output.Add((byte)(length | 128));
        output.Add((byte)length);
        output.AddRange(content);
        return output;
    }

    /// <summary>Rules with one entry, U+2460 (E2 91 A0) to "1", as a double-array trie laid out by hand.</summary>
    private static byte[] CircledOne()
    {
        var units = new uint[0x1000];
        units[0] = 0x100 << 10;
        units[0x100 ^ 0xE2] = (0x200 << 10) | 0xE2;
        units[0x100 ^ 0xE2 ^ 0x200 ^ 0x91] = (0x400 << 10) | 0x91;
        const int Last = 0x100 ^ 0xE2 ^ 0x200 ^ 0x91 ^ 0x400 ^ 0xA0;
        units[Last] = (0x800 << 10) | 0x100 | 0xA0;
        units[Last ^ 0x800] = 0x80000000;
        return [.. BitConverter.GetBytes(4 * units.Length), .. units.SelectMany(BitConverter.GetBytes), (byte)'1', 0];
    }
}
