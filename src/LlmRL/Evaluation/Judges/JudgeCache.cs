using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using LlmRL.Recipes.Binding;
using LlmRL.Runs;

namespace LlmRL.Evaluation.Judges;

/// <summary>
/// Verdicts on disk, one JSON object a line: <c>{"key", "verdict", "model", "reply"}</c>. The key is a hash of the model, its settings and the whole question with both texts
/// in their order. A line is handed to the operating system as soon as its verdict is there, so that a killed run has asked for nothing in vain.
/// </summary>
internal sealed class JudgeCache : IDisposable
{
    private readonly ConcurrentDictionary<string, Verdict> verdicts = new(StringComparer.Ordinal);
    private readonly JsonLinesFile file;
    private readonly string model;

    /// <summary>Opens a cache.</summary>
    /// <param name="path">The file, created or continued.</param>
    /// <param name="known">Another one, which is read only; null for none.</param>
    /// <param name="model">The judging model, for readers of the file.</param>
    public JudgeCache(string path, string? known, string model)
    {
        this.model = model;
        file = new JsonLinesFile(path);
        foreach (var source in new[] { known, path }.OfType<string>())
            Read(source);
    }

    /// <summary>The key of a question.</summary>
    public static string Key(string model, double? temperature, int? maxTokens, string question)
    {
        var text = string.Create(CultureInfo.InvariantCulture, $"{model}\n{temperature:R}\n{maxTokens}\n{question}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }

    /// <summary>The verdict on the first text, where it is known.</summary>
    public Verdict? Find(string key) => verdicts.TryGetValue(key, out var verdict) ? verdict : null;

    /// <summary>Keeps a verdict.</summary>
    public void Add(string key, Verdict verdict, string reply)
    {
        if (!verdicts.TryAdd(key, verdict))
            return;
        file.Append(json =>
        {
            json.WriteString("key", key);
            json.WriteString("verdict", KeyNames.Snake(verdict.ToString()));
            json.WriteString("model", model);
            json.WriteString("reply", reply);
        });
    }

    public void Dispose() => file.Dispose();

    private void Read(string path)
    {
        foreach (var row in JsonLinesReader.Read(path))
        {
            // What cannot be read is asked for again.
            if (row.TryGetProperty("key", out var key) && row.TryGetProperty("verdict", out var verdict) && Enum.TryParse<Verdict>(verdict.GetString(), ignoreCase: true, out var value))
                verdicts[key.GetString() ?? ""] = value;
        }
    }
}
