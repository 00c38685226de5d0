namespace LlmRL.Cli.Tests;

/// <summary>A temporary folder with a tiny architecture in it, in which the program runs.</summary>
public sealed class Workplace : IDisposable
{
    /// <summary>A model of one layer and width 32: a step takes milliseconds.</summary>
    public const string TinyConfig = """
        {
          "model_type": "llama", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
          "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 160
        }
        """;

    public Workplace()
    {
        Directory.CreateDirectory(Root);
        Write("tiny.json", TinyConfig);
    }

    public string Root { get; } = Path.Combine(Path.GetTempPath(), "llmrl-cli-" + Guid.NewGuid().ToString("N"));

    public string this[string relative] => Path.Combine(Root, relative);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public Outcome Run(params string[] arguments) => Llmrl.Run(Root, arguments);

    /// <summary>Every file below a folder with its bytes, in hexadecimal where asked for.</summary>
    public IReadOnlyDictionary<string, byte[]> Files(string folder) => Directory.GetFiles(this[folder], "*", SearchOption.AllDirectories)
        .ToDictionary(path => Path.GetRelativePath(this[folder], path), File.ReadAllBytes);

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
