using System.Text;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tests.Tokenization;

public class TokenModelTests
{
    private const string Bpe = """
        {"type":"BPE","vocab":{"<unk>":0,"a":1,"b":2,"c":3,"ab":4,"abc":5,"bc":6,"cab":7},"merges":["b c",["a","b"],"a bc"]
        """;

    [Theory]
    [InlineData("", "abc", "abc")]
    [InlineData("", "cab", "c|ab")]
    [InlineData(""","ignore_merges":true""", "cab", "cab")]
    [InlineData("", "aZZb", "ab")]
    [InlineData(""","unk_token":"<unk>" """, "aZ🦙b", "a|<unk>|<unk>|b")]
    [InlineData(""","unk_token":"<unk>","fuse_unk":true""", "aZ🦙b", "a|<unk>|b")]
    public void Bpe_merges_by_rank(string options, string text, string tokens) => Check(Bpe + options + "}", text, tokens);

    [Fact]
    public void Bpe_prefix_and_suffix_belong_to_the_symbols() => Check("""
        {"type":"BPE","continuing_subword_prefix":"##","end_of_word_suffix":"</w>","vocab":{"a":0,"##b":1,"##c</w>":2,"##bc</w>":3,"abc</w>":4},
        "merges":[["##b","##c</w>"],["a","##bc</w>"]]}
        """, "abc", "abc</w>");

    [Fact]
    public void Bpe_falls_back_to_bytes()
    {
        var bytes = string.Join(',', Enumerable.Range(0, 256).Select(b => $"\"<0x{b:X2}>\":{b + 1}"));
        Check($$"""{"type":"BPE","byte_fallback":true,"unk_token":"a","vocab":{"a":0,{{bytes}}},"merges":[]}""", "aé", "a|<0xC3>|<0xA9>");
    }

    // Scores: ab −1.5 beats a + b = −2, but abc as ab + c = −4.5 loses to a + bc = −3.
    [Theory]
    [InlineData("ab", "ab")]
    [InlineData("abc", "a|bc")]
    [InlineData("aZZb", "a|<unk>|b")]
    [InlineData("", "")]
    public void Unigram_takes_the_most_likely_path(string text, string tokens) =>
        Check("""{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["b",-1],["ab",-1.5],["c",-3],["bc",-2]]}""", text, tokens);

    [Theory]
    [InlineData("unaffable", "un|##aff|##able")]
    [InlineData("unx", "<unk>")]
    [InlineData("ununununun", "<unk>")]
    public void Word_piece_takes_the_longest_prefix(string text, string tokens) => Check("""
        {"type":"WordPiece","unk_token":"<unk>","continuing_subword_prefix":"##","max_input_chars_per_word":9,
        "vocab":{"<unk>":0,"u":1,"un":2,"##aff":3,"##a":4,"##able":5,"##un":6}}
        """, text, tokens);

    [Theory]
    [InlineData("<a>x", "<a>|<unk>")]
    [InlineData("x  <l>  x", "<unk>|<l>|<unk>")]
    [InlineData("x  <r>  x", "<unk>|<r>|<unk>")]
    [InlineData("a<w>", "<unk>")]
    [InlineData("a <w>.", "<unk>|<w>|<unk>")]
    [InlineData("<a><ab>", "<a>|<ab>")]
    [InlineData("NORM norm", "Norm|<unk>|Norm")]
    public void Added_tokens_are_cut_out_by_their_flags(string text, string tokens)
    {
        const string Json = """
            {"added_tokens":[{"id":1,"content":"<a>","special":true},{"id":2,"content":"<l>","lstrip":true,"special":true},
            {"id":3,"content":"<r>","rstrip":true,"special":true},{"id":4,"content":"<w>","single_word":true,"special":true},
            {"id":5,"content":"<ab>","special":true},{"id":6,"content":"Norm","normalized":true}],
            "normalizer":{"type":"Lowercase"},"model":{"type":"WordLevel","vocab":{"<unk>":0},"unk_token":"<unk>"}}
            """;
        var tokenizer = new HuggingFaceTokenizer(TokenizerJsonReader.Read(Parse(Json)), new(null, 0, 0), new());
        Assert.Equal(tokens.Split('|'), tokenizer.Encode(text).Select(tokenizer.TokenText));
    }

    [Fact]
    public void Long_words_merge_as_short_ones()
    {
        // Every pair of the four letters merges, in an order that has nothing to do with the alphabet; so do the pairs of pairs that begin with it.
        var merges = new PairTable(64);
        var random = new RandomStream(3);
        int[] ranks = [.. Enumerable.Range(0, 64)];
        random.Shuffle<int>(ranks);
        for (var pair = 0; pair < 64; pair++)
            merges.TryAdd(pair / 8, pair % 8, ranks[pair], pair % 3 == 0 ? pair % 8 : 8 + pair);
        foreach (var length in new[] { 2, 5, 96, 97, 500 })
        {
            int[] symbols = [.. Enumerable.Range(0, length).Select(_ => random.Next(0, 8))];
            var expected = Naive([.. symbols], merges);
            var count = BpeMerger.Merge(symbols, merges);
            Assert.Equal(expected, symbols[..count]);
        }
    }

    private static List<int> Naive(List<int> symbols, PairTable merges)
    {
        while (true)
        {
            var best = Enumerable.Range(0, symbols.Count - 1).OrderBy(i => merges.Rank(symbols[i], symbols[i + 1])).FirstOrDefault(-1);
            if (best < 0 || merges.Rank(symbols[best], symbols[best + 1]) == int.MaxValue)
                return symbols;
            symbols[best] = merges.Merged(symbols[best], symbols[best + 1]);
            symbols.RemoveAt(best + 1);
        }
    }

    private static void Check(string json, string text, string tokens)
    {
        var model = ModelReader.Read(Parse(json));
        var ids = new List<int>();
        model.Encode(text, ids);
        Assert.Equal(tokens, string.Join('|', ids.Select(model.Vocabulary.Text)));
    }

    private static LocatedJson Parse(string json) => LocatedJson.Parse("t.json", Encoding.UTF8.GetBytes(json));
}
