using LlmRL.Data;
using LlmRL.Recipes;
using LlmRL.Recipes.Binding;
using LlmRL.Tokenization;

namespace LlmRL.Tests.Data;

public sealed class PromptLimitTests
{
    private static readonly Tokenizer Bytes = TokenizerLoader.Load("bytes");

    [Theory]
    [InlineData(100, "POST: one\ntwo\nthree\nTL;DR:")]
    [InlineData(26, "POST: one\ntwo\nthree\nTL;DR:")]
    [InlineData(25, "POST: one\ntwo\nTL;DR:")]
    [InlineData(17, "POST: one\nTL;DR:")]
    [InlineData(16, "POST: one\nTL;DR:")]
    [InlineData(15, "POST: on\nTL;DR:")]
    [InlineData(13, "POST: \nTL;DR:")]
    public void Newline_takes_lines_and_then_characters_from_the_column_that_may_be_shortened(int most, string prompt)
    {
        var row = new Example { Prompt = "POST: one\ntwo\nthree\nTL;DR:", Shortenable = 6..19 };
        Assert.Equal(prompt, new PromptLimit(Bytes, most + Overhead, TruncationMode.Newline).Shorten(row).Prompt);
        // A prompt without that column ends with its cue.
        if (most > 16)
            Assert.Equal(prompt, new PromptLimit(Bytes, most + Overhead, TruncationMode.Newline).Shorten(row with { Shortenable = null }).Prompt);
    }

    [Fact]
    public void What_cannot_be_shortened_enough_is_an_error_that_names_the_row()
    {
        var row = new Example { Prompt = "POST: one\nTL;DR:", Shortenable = 6..9, Source = "posts.csv:7" };
        var error = Assert.Throws<BadInputException>(() => new PromptLimit(Bytes, 12 + Overhead, TruncationMode.Newline).Shorten(row));
        Assert.Contains($"posts.csv:7: the prompt has {16 + Overhead} tokens", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(TruncationMode.KeepEnd, "def")]
    [InlineData(TruncationMode.KeepStart, "abc")]
    public void An_end_is_kept(TruncationMode mode, string prompt) =>
        Assert.Equal(prompt, new PromptLimit(Bytes, 3, mode).Shorten(new Example { Prompt = "abcdef", HasSpecialTokens = true }).Prompt);

    [SharedFact("data/tok/gpt2/tokenizer.json")]
    public void Newline_gives_what_taking_one_character_after_the_other_gives()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/gpt2"));
        var random = new RandomStream(7);
        var words = new[] { "the", " unbelievable", "\n", " 1234", "é", "\n\n", " 😀", "…", " strawberry", " cats" };
        for (var round = 0; round < 60; round++)
        {
            var post = string.Concat(Enumerable.Range(0, 5 + random.Next(0, 30)).Select(_ => random.Pick(words)));
            var row = new Example { Prompt = $"POST: {post}\n\nTL;DR:", Shortenable = 6..(6 + post.Length) };
            var most = 8 + random.Next(0, 20);
            Assert.Equal(OneByOne(tokenizer, post, most), new PromptLimit(tokenizer, most, TruncationMode.Newline).Shorten(row).Prompt);
        }
    }

    [Fact]
    public void A_data_source_drops_long_prompts_and_says_how_many()
    {
        var path = Path.GetTempFileName() + ".jsonl";
        File.WriteAllText(path, "{\"prompt\":\"abc\"}\n{\"prompt\":\"abcdefghijkl\"}\n{\"prompt\":\"d\"}\n");
        try
        {
            var notes = new List<string>();
            var rows = new DataSource { Path = path, MaxPromptLength = 5 + Overhead }.Open(Bytes, notes.Add);
            Assert.Equal(["abc", "d"], Enumerable.Range(0, rows.Count).Select(i => rows[i].Prompt));
            Assert.Contains("1 of 3 rows are left out", Assert.Single(notes), StringComparison.Ordinal);
            Assert.Contains("every prompt has more than 1 tokens", Assert.Throws<BadInputException>(() => new DataSource { Path = path, MaxPromptLength = 1 }.Open(Bytes)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_mode_without_a_length_is_an_error() =>
        Assert.Contains("truncation_mode", Assert.Throws<BadInputException>(() => RecipeBinder.Parse<DataSource>("generator: tldr\ntruncation_mode: keep_end\n", "x.yaml")).Message, StringComparison.Ordinal);

    private static int Overhead => Prompting.Encode(Bytes, "").Length is var empty && Prompting.Encode(Bytes, "a").Length > 1 ? empty : 0;

    /// <summary>The loop of the reference code, one character at a time; a cut surrogate pair goes as a whole.</summary>
    private static string OneByOne(Tokenizer tokenizer, string post, int most)
    {
        while (Prompting.Encode(tokenizer, $"POST: {post}\n\nTL;DR:").Length > most || (post.Length > 0 && char.IsHighSurrogate(post[^1])))
            post = post[..(post.LastIndexOf('\n') is >= 0 and var line ? line : post.Length - 1)];
        return $"POST: {post}\n\nTL;DR:";
    }
}
