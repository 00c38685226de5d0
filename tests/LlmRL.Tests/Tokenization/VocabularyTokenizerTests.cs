using LlmRL.Tokenization;

namespace LlmRL.Tests.Tokenization;

public class VocabularyTokenizerTests
{
    [Fact]
    public void Characters_are_ordered_by_count_then_code()
    {
        var tokenizer = VocabularyTokenizer.Build(["abba", "ca 🦙"], VocabularyKind.Characters);
        Assert.Equal(["<unk>", "<|bos|>", "<|eos|>", "<|pad|>", "a", "b", " ", "c", "🦙"], Texts(tokenizer));
        Assert.Equal([4, 5, 8, 0, 6], tokenizer.Encode("ab🦙Z "));
        Assert.Equal("<unk>a", tokenizer.Decode([0, 4], skipSpecialTokens: false));
        Assert.Equal("a", tokenizer.Decode([0, 4]));
    }

    [Fact]
    public void Words_take_one_space_and_all_else_stands_alone()
    {
        var tokenizer = VocabularyTokenizer.Build(["The cat,  12 cats\n a"], VocabularyKind.Words);
        Assert.Equal(["The", " cat", ",", " ", " ", "1", "2", " cats", "\n", " a"], tokenizer.Encode("The cat,  12 cats\n a").Select(tokenizer.TokenText));
        Assert.Equal("The cat,  12 cats\n a", tokenizer.Decode(tokenizer.Encode("The cat,  12 cats\n a")));
    }

    [Fact]
    public void Size_and_count_limits_hold()
    {
        var tokenizer = VocabularyTokenizer.Build(["aaabbc"], VocabularyKind.Characters, maxSize: 5);
        Assert.Equal(["<unk>", "<|bos|>", "<|eos|>", "<|pad|>", "a"], Texts(tokenizer));
        Assert.Equal(6, VocabularyTokenizer.Build(["aaabbc"], VocabularyKind.Characters, minCount: 2).VocabularySize);
        Assert.Throws<ArgumentOutOfRangeException>(() => VocabularyTokenizer.Build(["a"], VocabularyKind.Characters, maxSize: 4));
    }

    [Theory]
    [InlineData(VocabularyKind.Characters)]
    [InlineData(VocabularyKind.Words)]
    public void A_saved_tokenizer_loads_with_the_same_ids(VocabularyKind kind)
    {
        const string Text = "To be, or not to be: that is the question — être 42 times\n\n";
        var tokenizer = VocabularyTokenizer.Build([Text], kind);
        using var folder = new TemporaryFolder();
        tokenizer.Save(folder.Path);
        var loaded = TokenizerLoader.Load(folder.Path);
        Assert.Equal(Texts(tokenizer), Texts(loaded));
        Assert.Equal((tokenizer.BosId, tokenizer.EosId, tokenizer.PadId), (loaded.BosId, loaded.EosId, loaded.PadId));
        var ids = tokenizer.Encode(Text + "<|eos|>", addSpecialTokens: true);
        Assert.Equal([1, .. tokenizer.Encode(Text), 2], ids);
        Assert.Equal(ids, loaded.Encode(Text + "<|eos|>", addSpecialTokens: true));
        Assert.Equal(Text, loaded.Decode(ids));
    }

    private static IEnumerable<string> Texts(Tokenizer tokenizer) => Enumerable.Range(0, tokenizer.VocabularySize).Select(tokenizer.TokenText);
}
