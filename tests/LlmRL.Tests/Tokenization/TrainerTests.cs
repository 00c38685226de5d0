using System.Text;
using System.Text.Json;
using LlmRL.Tokenization;
using LlmRL.Tokenization.HuggingFace;
using LlmRL.Tokenization.Training;

namespace LlmRL.Tests.Tokenization;

public class TrainerTests
{
    private const int Own = 3;

    [Fact]
    public void The_most_frequent_pairs_become_tokens_in_order()
    {
        // low ×5, lower ×2, newest ×6, widest ×3 (Sennrich et al. 2016, algorithm 1); each word behind a line break, so it is a piece of its own.
        var text = string.Concat(Words("low", 5), Words("lower", 2), Words("newest", 6), Words("widest", 3));
        var merges = Merges(ByteLevelBpeTrainer.Train([text], ByteLevelBpeTrainer.SmallestSize + 6));
        // es and st occur 9 times: e comes before s. Then est 9, lo and ow 7, low 7, and ew, ne and w·est 6, of which ew has the smallest id.
        Assert.Equal(["e s", "es t", "l o", "lo w", "e w", "n ew"], merges);

        static string Words(string word, int count) => string.Concat(Enumerable.Repeat(word + "\n", count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Training_agrees_with_counting_everything_anew_after_every_merge(int seed)
    {
        var random = new RandomStream((ulong)seed);
        var text = new StringBuilder();
        for (var i = 0; i < 400; i++)
            text.Append(' ').Append(string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Pick(["a", "b", "aa", "é", "c"]))));
        var tokenizer = ByteLevelBpeTrainer.Train([text.ToString()], ByteLevelBpeTrainer.SmallestSize + 60, minCount: 3);
        Assert.Equal(Naive(text.ToString(), 60, 3), Merges(tokenizer));
    }

    [Fact]
    public void Ids_are_special_tokens_then_bytes_then_merges()
    {
        var tokenizer = ByteLevelBpeTrainer.Train(["aaaa aaaa <|x|> aaaa"], ByteLevelBpeTrainer.SmallestSize + 3, ["<|x|>"]);
        Assert.Equal(["<|bos|>", "<|eos|>", "<|pad|>", "<|x|>", "!", "\""], Enumerable.Range(0, 6).Select(tokenizer.TokenText));
        Assert.Equal("aa", tokenizer.TokenText(Own + 1 + 256));
        Assert.Equal((0, 1, 2), (tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
        Assert.Equal([0, .. tokenizer.Encode("a"), 3, .. tokenizer.Encode("b")], tokenizer.Encode("a<|x|>b", addSpecialTokens: true));
        // Nothing of the special token's spelling was learned.
        Assert.DoesNotContain(Merges(tokenizer), m => m.Contains('|'));
    }

    [Fact]
    public void A_corpus_that_is_too_small_gives_a_smaller_vocabulary()
    {
        Assert.Equal(ByteLevelBpeTrainer.SmallestSize + 1, ByteLevelBpeTrainer.Train(["ab\nab"], 5000).VocabularySize);
        Assert.Equal(ByteLevelBpeTrainer.SmallestSize, ByteLevelBpeTrainer.Train([], 5000).VocabularySize);
        Assert.Contains("a vocabulary of 100 is too small: 3 special tokens and 256 bytes need 259",
            Assert.Throws<BadInputException>(() => ByteLevelBpeTrainer.Train([], 100)).Message);
        Assert.Contains("special token '<|eos|>'", Assert.Throws<BadInputException>(() => ByteLevelBpeTrainer.Train([], 1000, ["<|eos|>"])).Message);
    }

    [SharedFact("data/text/tinyshakespeare.txt")]
    public void Shakespeare_round_trips_and_gets_shorter()
    {
        using var folder = new TemporaryFolder();
        var file = Shared.Path("data/text/tinyshakespeare.txt");
        var text = File.ReadAllText(file);
        var trained = ByteLevelBpeTrainer.Train(Corpus.Read([file]), 600);
        Assert.Equal(600, trained.VocabularySize);
        trained.Save(folder.Path);
        var tokenizer = TokenizerLoader.Load(folder.Path);
        var ids = tokenizer.Encode(text);
        Assert.Equal(trained.Encode(text), ids);
        Assert.Equal(text, tokenizer.Decode(ids));
        Assert.Equal("🦙 naïve\t漢字\0", tokenizer.Decode(tokenizer.Encode("🦙 naïve\t漢字\0")));
        Assert.InRange(ids.Length, 1, text.Length / 1.8);
        Assert.Equal((0, 1, 2), (tokenizer.BosId, tokenizer.EosId, tokenizer.PadId));
        // Where the file is cut into blocks changes nothing.
        Assert.Equal(Merges(trained), Merges(ByteLevelBpeTrainer.Train(Corpus.Blocks(new StringReader(text), 1000), 600)));
    }

    [Fact]
    public void Strings_of_json_lines_are_texts()
    {
        using var folder = new TemporaryFolder();
        var rows = folder.Write("a.jsonl", "{\"x\": \"one\", \"n\": 1, \"l\": [{\"y\": \"two\"}]}\n\n\"three\"\n");
        var plain = folder.Write("b.txt", "four\nfive");
        Assert.Equal(["one", "two", "three", "four\nfive"], Corpus.Read([rows, plain]));
        var broken = folder.Write("c.jsonl", "{}\n{");
        Assert.StartsWith($"{broken}:2: not valid JSON", Assert.Throws<BadInputException>(() => Corpus.Read([broken]).Count()).Message);
        Assert.Contains("no such file", Assert.Throws<BadInputException>(() => Corpus.Read(["nowhere.txt"]).Count()).Message);
    }

    private static string[] Merges(Tokenizer tokenizer)
    {
        using var folder = new TemporaryFolder();
        tokenizer.Save(folder.Path);
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder.Path, "tokenizer.json")));
        return [.. document.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray().Select(m => m.GetString()!)];
    }

    // Counts every pair of every word, merges the best one everywhere, and starts again.
    private static List<string> Naive(string text, int count, int minCount)
    {
        var pieces = new List<Piece>();
        new ByteLevelPreTokenizer(addPrefixSpace: false, useRegex: true).Split(new Piece(text, true), pieces);
        var words = pieces.ConvertAll(p => p.Text.Select(c => c.ToString()).ToList());
        var order = Enumerable.Range(0, 256).Select(b => ByteAlphabet.CharOf((byte)b).ToString()).Order(StringComparer.Ordinal).ToList();
        var merges = new List<string>();
        while (merges.Count < count)
        {
            var best = words.SelectMany(w => w.Zip(w.Skip(1))).GroupBy(p => p).Where(g => g.Count() >= minCount)
                .OrderByDescending(g => g.Count()).ThenBy(g => order.IndexOf(g.Key.First)).ThenBy(g => order.IndexOf(g.Key.Second)).FirstOrDefault();
            if (best is null)
                break;
            var (left, right) = best.Key;
            merges.Add($"{left} {right}");
            if (!order.Contains(left + right))
                order.Add(left + right);
            foreach (var word in words)
            {
                for (var i = 0; i + 1 < word.Count; i++)
                {
                    if (word[i] == left && word[i + 1] == right)
                    {
                        word[i] = left + right;
                        word.RemoveAt(i + 1);
                    }
                }
            }
        }

        return merges;
    }
}
