using System.Text.Json;
using System.Text.RegularExpressions;
using LlmRL.Tests.Rewards;

namespace LlmRL.Tests.Evaluation;

/// <summary>An OpenAI-compatible server on this machine: the two texts of a question → the answer's text.</summary>
internal static class JudgeServer
{
    /// <summary>A server whose judge says A, B or tie.</summary>
    public static FaultyServer Of(Func<string, string, string> judge) => new((_, request) => Answer($"One is better.\nPreferred: {Judge(request, judge)}"));

    public static string Judge(Request request, Func<string, string, string> judge)
    {
        var (a, b) = Texts(request);
        return judge(a, b);
    }

    /// <summary>The two texts of the question.</summary>
    public static (string A, string B) Texts(Request request)
    {
        var question = Question(request);
        return (Between("summary_a"), Between("summary_b"));

        string Between(string tag) => Regex.Match(question, $"<{tag}>\n(.*?)\n</{tag}>", RegexOptions.Singleline).Groups[1].Value;
    }

    public static string Question(Request request) => request.Body.GetProperty("messages")[0].GetProperty("content").GetString()!;

    /// <summary>A chat completion.</summary>
    public static Reply Answer(string text) => new(JsonSerializer.Serialize(new { choices = new[] { new { message = new { role = "assistant", content = text } } } }));
}
