using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace LlmRL.Cli.Tests;

/// <summary>What a <see cref="JudgeServer"/> replies.</summary>
/// <param name="Body">The body.</param>
/// <param name="Status">The status.</param>
/// <param name="Delay">How long it takes.</param>
internal sealed record JudgeReply(string Body, int Status = 200, TimeSpan Delay = default)
{
    /// <summary>A chat completion.</summary>
    public static JudgeReply Says(string text) => new(JsonSerializer.Serialize(new { choices = new[] { new { message = new { role = "assistant", content = text } } } }));

    /// <summary>A chat completion with a verdict.</summary>
    public static JudgeReply Prefers(string which) => Says($"One of them is better.\nPreferred: {which}");
}

/// <summary>A question as it arrived.</summary>
/// <param name="Path">Where it was posted to.</param>
/// <param name="Authorization">The header; null where there is none.</param>
/// <param name="Body">The request.</param>
internal sealed record JudgeQuestion(string Path, string? Authorization, JsonElement Body)
{
    public string Text => Body.GetProperty("messages")[0].GetProperty("content").GetString()!;

    public string Prompt => Between("post");

    public string A => Between("summary_a");

    public string B => Between("summary_b");

    private string Between(string tag) => Regex.Match(Text, $"<{tag}>\n(.*?)\n</{tag}>", RegexOptions.Singleline).Groups[1].Value;
}

/// <summary>An OpenAI-compatible server on this machine: number of the question from 0, and the question → reply.</summary>
internal sealed class JudgeServer : IDisposable
{
    private readonly HttpListener listener = new();
    private readonly CancellationTokenSource stop = new();
    private readonly Func<int, JudgeQuestion, JudgeReply> answer;

    public JudgeServer(Func<int, JudgeQuestion, JudgeReply> answer)
    {
        this.answer = answer;
        // A port may be taken between asking for it and listening.
        for (var attempt = 0; ; attempt++)
        {
            Url = $"http://127.0.0.1:{FreePort()}/v1";
            listener.Prefixes.Clear();
            listener.Prefixes.Add(Url[..^2]);
            try
            {
                listener.Start();
                break;
            }
            catch (HttpListenerException) when (attempt < 10)
            {
            }
        }

        _ = Accept();
    }

    /// <summary>What was asked so far.</summary>
    public List<JudgeQuestion> Questions { get; } = [];

    /// <summary>The address for <c>--judge-url</c>.</summary>
    public string Url { get; }

    /// <summary>A port that nobody listens on.</summary>
    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        stop.Cancel();
        listener.Close();
        stop.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
                _ = Serve(await listener.GetContextAsync());
        }
        catch (Exception end) when (end is HttpListenerException or ObjectDisposedException or InvalidOperationException)
        {
        }
    }

    private async Task Serve(HttpListenerContext context)
    {
        try
        {
            using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
            var question = new JudgeQuestion(context.Request.Url!.AbsolutePath, context.Request.Headers["Authorization"], JsonDocument.Parse(await reader.ReadToEndAsync()).RootElement);
            JudgeReply reply;
            lock (Questions)
            {
                reply = answer(Questions.Count, question);
                Questions.Add(question);
            }

            if (reply.Delay > TimeSpan.Zero)
                await Task.Delay(reply.Delay, stop.Token);
            context.Response.StatusCode = reply.Status;
            context.Response.Close(Encoding.UTF8.GetBytes(reply.Body), willBlock: false);
        }
        catch (Exception end) when (end is OperationCanceledException or HttpListenerException or ObjectDisposedException or IOException)
        {
            // The client went away, or the test is over.
        }
    }
}
