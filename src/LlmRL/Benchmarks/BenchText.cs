using System.Text;
using System.Text.Json;
using LlmRL.Runs;
using LlmRL.Tokenization;

namespace LlmRL.Benchmarks;

/// <summary>Made-up text in which a character is a token, so that lengths are exact, with a vocabulary of any size.</summary>
/// <param name="vocabulary">V.</param>
/// <param name="seed">What the text depends on.</param>
internal sealed class BenchText(int vocabulary, ulong seed)
{
    private const int FirstCharacter = 0x4E00, LastOfPlane = 0xD7FF, NextPlane = 0x20000, Special = 4;

    private readonly RandomStream random = new(seed);

    /// <summary>Letters that the vocabulary has besides its special tokens.</summary>
    private int Letters => vocabulary - Special;

    /// <summary>A reward that about half of all random completions get: their first letter is one of the earlier ones.</summary>
    public string RewardPattern => $"^[\\u{FirstCharacter:x4}-\\u{Math.Min(FirstCharacter + Letters / 2, LastOfPlane):x4}]";

    /// <summary>The tokenizer: special tokens, then a letter each.</summary>
    public Tokenizer Tokenizer() => VocabularyTokenizer.Build([Text(Enumerable.Range(0, Letters))], VocabularyKind.Characters, vocabulary);

    /// <summary>Writes rows for a phase as JSON Lines.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rows">How many.</param>
    /// <param name="phase">Decides the columns.</param>
    /// <param name="shape">Tokens of prompt and completion; BOS and EOS are among them.</param>
    public void Write(string path, int rows, BenchPhase phase, BenchShape shape) => AtomicFile.WriteAllText(path, string.Concat(Enumerable.Range(0, rows).Select(_ => Row(phase, shape) + "\n")));

    private string Row(BenchPhase phase, BenchShape shape)
    {
        var prompt = Random(shape.PromptLength - 1);
        object row = phase switch
        {
            BenchPhase.Sft => new { prompt, completion = Random(shape.CompletionLength - 1) },
            BenchPhase.Reward or BenchPhase.Dpo => new { prompt, chosen = Random(shape.CompletionLength - 1), rejected = Random(shape.CompletionLength - 1) },
            _ => new { prompt },
        };
        return JsonSerializer.Serialize(row, JsonLayout.OneLine);
    }

    private string Random(int length) => Text(Enumerable.Range(0, length).Select(_ => random.Next(0, Letters)));

    private static string Text(IEnumerable<int> letters)
    {
        var text = new StringBuilder();
        foreach (var letter in letters)
            text.Append(new Rune(FirstCharacter + letter <= LastOfPlane ? FirstCharacter + letter : NextPlane + letter - (LastOfPlane - FirstCharacter)).ToString());
        return text.ToString();
    }
}
