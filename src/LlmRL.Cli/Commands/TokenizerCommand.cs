using System.CommandLine;
using System.Diagnostics;
using LlmRL.Tokenization.Training;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl tokenizer train</c>: a byte-level BPE from a corpus.</summary>
internal static class TokenizerCommand
{
    public static Command Create()
    {
        var data = new Option<string[]>("--data") { Description = "Text files, or .jsonl files, whose strings are the texts; also .gz.", Required = true, AllowMultipleArgumentsPerToken = true };
        var size = new Option<int>("--vocab-size") { Description = "Number of ids.", Required = true };
        var folder = new Option<string>("--out") { Description = "The folder to write tokenizer.json and tokenizer_config.json into.", Required = true };
        var special = new Option<string[]>("--special") { Description = "Special tokens beside <|bos|>, <|eos|> and <|pad|>.", AllowMultipleArgumentsPerToken = true };
        var minCount = new Option<long>("--min-count") { Description = "Rarer pairs do not become tokens.", DefaultValueFactory = _ => 2 };
        var train = new Command("train", "Trains a byte-level BPE, cut as GPT-2 cuts text.") { data, size, folder, special, minCount };
        train.SetAction(parsed => Guard.Run(() => Train(parsed.GetValue(data)!, parsed.GetValue(size), parsed.GetValue(folder)!, parsed.GetValue(special) ?? [], parsed.GetValue(minCount))));
        return new Command("tokenizer", "Makes tokenizers.") { train };
    }

    private static void Train(string[] data, int size, string folder, string[] special, long minCount)
    {
        var clock = Stopwatch.StartNew();
        var tokenizer = ByteLevelBpeTrainer.Train(Corpus.Read(data), size, special, minCount);
        if (tokenizer.VocabularySize < size)
            Console.WriteLine($"The corpus gives no more than {tokenizer.VocabularySize} tokens: every further pair occurs less than {minCount} times.");
        tokenizer.Save(folder);
        Console.WriteLine($"{folder}: {tokenizer.VocabularySize} tokens, {clock.Elapsed.TotalSeconds:F1} s");
    }
}
