using System.Diagnostics;
using System.Text;
using LlmRL.Tokenization;
using LlmRL.Tokenization.Training;
using Xunit.Abstractions;

namespace LlmRL.Tests.Tokenization;

/// <summary>Speed of encoding and of training on one core, in MB of UTF-8 per second of processor time. Run by hand with LLMRL_BENCH=1.</summary>
public class TokenizerBench(ITestOutputHelper output)
{
    [BenchFact]
    public void Encoding_speed()
    {
        var text = Text();
        foreach (var name in new[] { "gpt2", "qwen2_5", "llama2" })
        {
            var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/" + name));
            var cold = Rate(text, () => tokenizer.Encode(text));
            var whole = Enumerable.Range(0, 5).Max(_ => Rate(text, () => tokenizer.Encode(text)));
            var lines = text.Split('\n');
            var byLine = Enumerable.Range(0, 5).Max(_ => Rate(text, () => Array.ForEach(lines, line => tokenizer.Encode(line))));
            output.WriteLine($"{name}: {whole:F0} MB/s ({byLine:F0} line by line, {cold:F0} the first time)");
        }
    }

    [BenchFact]
    public void Training_speed()
    {
        var text = Text();
        output.WriteLine($"8,192 tokens: {Rate(text, () => ByteLevelBpeTrainer.Train([text], 8192)):F1} MB/s");
    }

    // Ten megabytes of English: Shakespeare and Moby Dick, several times over.
    private static string Text()
    {
        var files = Directory.GetFiles(Shared.Path("data/text"), "*.txt", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllText).ToArray();
        return string.Concat(Enumerable.Repeat(string.Concat(files), 1 + (int)(10_000_000L / files.Sum(f => f.Length))));
    }

    private static double Rate(string text, Action work)
    {
        using var process = Process.GetCurrentProcess();
        var before = process.TotalProcessorTime;
        work();
        process.Refresh();
        return Encoding.UTF8.GetByteCount(text) / 1e6 / (process.TotalProcessorTime - before).TotalSeconds;
    }

    private sealed class BenchFactAttribute : FactAttribute
    {
        public BenchFactAttribute() => Skip = Environment.GetEnvironmentVariable("LLMRL_BENCH") == "1" ? Shared.SkipUnless("data/text")! : "needs LLMRL_BENCH=1";
    }
}
