using System.Text;
using LlmRL.Tokenization.HuggingFace;

namespace LlmRL.Tests.Tokenization;

/// <summary>Pieces and texts as Hugging Face's tokenizers 0.23 gives them.</summary>
public class ComponentTests
{
    private const string Sample = "Hi, I'm 42--ok  x";

    [Theory]
    [InlineData("""{"type":"Whitespace"}""", "Hi|,|I|'|m|42|--|ok|x")]
    [InlineData("""{"type":"WhitespaceSplit"}""", "Hi,|I'm|42--ok|x")]
    [InlineData("""{"type":"BertPreTokenizer"}""", "Hi|,|I|'|m|42|-|-|ok|x")]
    [InlineData("""{"type":"Punctuation"}""", "Hi|,| I|'|m 42|-|-|ok  x")]
    [InlineData("""{"type":"Punctuation","behavior":"MergedWithPrevious"}""", "Hi,| I'|m 42-|-|ok  x")]
    [InlineData("""{"type":"Punctuation","behavior":"MergedWithNext"}""", "Hi|, I|'m 42|-|-ok  x")]
    [InlineData("""{"type":"Punctuation","behavior":"Contiguous"}""", "Hi|,| I|'|m 42|--|ok  x")]
    [InlineData("""{"type":"Punctuation","behavior":"Removed"}""", "Hi| I|m 42|ok  x")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"Removed","invert":false}""", "Hi,|I'm|42--ok|x")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"Isolated","invert":true}""", "Hi,| |I'm| |42--ok| | |x")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""", "Hi, |I'm |42--ok | |x")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":true}""", "Hi,| I'm| 42--ok| | x")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext","invert":false}""", "Hi,| I'm| 42--ok| | x")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"\\w++|[^\\w\\s]+"},"behavior":"Removed","invert":true}""", "Hi|,|I|'|m|42|--|ok|x")]
    [InlineData("""{"type":"Digits","individual_digits":true}""", "Hi, I'm |4|2|--ok  x")]
    [InlineData("""{"type":"Digits","individual_digits":false}""", "Hi, I'm |42|--ok  x")]
    [InlineData("""{"type":"CharDelimiterSplit","delimiter":"4"}""", "Hi, I'm |2--ok  x")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}""", "▁Hi,|▁I'm|▁42--ok|▁|▁x")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":false}""", "Hi,▁I'm▁42--ok▁▁x")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","add_prefix_space":false}""", "Hi,|▁I'm|▁42--ok|▁|▁x")]
    [InlineData("""{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}]}""",
        "▁Hi,|I'm|42--ok|x")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":true,"use_regex":true}""", "ĠHi|,|ĠI|'m|Ġ42|--|ok|Ġ|Ġx")]
    [InlineData("""{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}""", "Hi,ĠI'mĠ42--okĠĠx")]
    public void Pre_tokenizers(string json, string pieces)
    {
        var output = new List<Piece>();
        ComponentReader.PreTokenizer(Parse(json))!.Split(new Piece(Sample, true), output);
        Assert.Equal(pieces.Split('|'), output.Select(p => p.Text));
    }

    [Theory]
    [InlineData("""{"type":"Lowercase"}""", "ÀÉ İS", "àé i\u0307s")]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"}]}""", "ÀÉ ñ", "AE n")]
    [InlineData("""{"type":"NFKC"}""", "ﬁ ①Ａ", "fi 1A")]
    [InlineData("""{"type":"Prepend","prepend":"▁"}""", "a", "▁a")]
    [InlineData("""{"type":"Prepend","prepend":"▁"}""", "", "")]
    [InlineData("""{"type":"Strip","strip_left":true,"strip_right":false}""", " a ", "a ")]
    [InlineData("""{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}""", "a   b c", "a b c")]
    [InlineData("""{"type":"Replace","pattern":{"String":" "},"content":"▁"}""", "a  b", "a▁▁b")]
    [InlineData("""{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}""", "É漢\tx\0", "e 漢  x")]
    public void Normalizers(string json, string text, string normalized) =>
        Assert.Equal(normalized, ComponentReader.Normalizer(Parse(json))!.Normalize(text));

    [Theory]
    [InlineData("""{"type":"Fuse"}""", "a|b", "ab")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always"}""", "▁a|b|▁c", "ab c")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"never"}""", "▁a|▁c", " a c")]
    [InlineData("""{"type":"WordPiece","prefix":"##","cleanup":true}""", "he|##llo|world|!", "hello world!")]
    [InlineData("""{"type":"BPEDecoder","suffix":"</w>"}""", "he|llo</w>|you</w>", "hello you")]
    [InlineData("""{"type":"ByteLevel"}""", "ĠhÃ|©|<| x", " hé< x")]
    [InlineData("""{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},"""
        + """{"type":"Strip","content":" ","start":1,"stop":0}]}""", "▁▁a|<0xC3>|<0xA9>|<0xC3>|b", " a\uFFFD\uFFFD\uFFFDb")]
    public void Decoders(string json, string tokens, string text) =>
        Assert.Equal(text, string.Concat(ComponentReader.Decoder(Parse(json))!.Decode([.. tokens.Split('|')])));

    [Theory]
    [InlineData("a++b?+c*+", "(?>a+)(?>b?)(?>c*)")]
    [InlineData(@"(?:x|[^\]]+)++\p{L}{1,3}+", @"(?>(?:x|[^\]]+)+)(?:\p{L}{1,3})+")]
    [InlineData(@"a+?\+ +", @"a+?\+ +")]
    public void Possessive_quantifiers_become_atomic_groups(string pattern, string rewritten) =>
        Assert.Equal(rewritten, OnigurumaPattern.Rewrite(pattern));

    /// <summary>The hand-written scanners against the regular expressions that they stand for.</summary>
    [Theory]
    [InlineData(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    [InlineData(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    [InlineData(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    [InlineData(@" ?[\p{L}\p{M}]+|[\s\S]")]
    [InlineData(@"[\s\S]")]
    public void Scanners_agree_with_their_patterns(string pattern)
    {
        var known = SplitPattern.ForRegex(pattern);
        Assert.NotNull(known.Scanner);
        var regex = SplitPattern.ForRegex($"(?:{pattern})");
        Assert.Null(regex.Scanner);
        string[] parts = ["'s", "'LL", "'", " ", "  ", "\t", "\n", "\r\n", "a", "Word", "é", "e\u0301", "7", "1234", "²", "!", "?!", "_", "漢字", "🦙", "𝒜", "𝟗", "\u00A0", "\0"];
        var random = new RandomStream(7);
        for (var i = 0; i < 2000; i++)
        {
            var text = new StringBuilder();
            for (var length = random.Next(1, 9); length > 0; length--)
                text.Append(random.Pick(parts));
            Assert.Equal(regex.Matches(text.ToString()), known.Matches(text.ToString()));
        }
    }

    [Fact]
    public void A_component_that_is_not_known_is_named_with_its_place()
    {
        var fault = Assert.Throws<BadInputException>(() => ComponentReader.Normalizer(Parse("""{"type":"Sequence","normalizers":[{"type":"Rot13"}]}""")));
        Assert.StartsWith("t.json: normalizers[0].type: 'Rot13' is no known normalizer; known are Sequence", fault.Message);
    }

    private static LocatedJson Parse(string json) => LocatedJson.Parse("t.json", Encoding.UTF8.GetBytes(json));
}
