using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace LlmRL.Tests.Rewards;

/// <summary>What a <see cref="FaultyServer"/> answers.</summary>
/// <param name="Body">The body.</param>
/// <param name="Status">The status line behind the version.</param>
internal sealed record Reply(string Body, string Status = "200 OK")
{
    /// <summary>Further header lines, each with its line break.</summary>
    public string Headers { get; init; } = "";

    /// <summary>How long it takes.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The connection is closed without a word.</summary>
    public static Reply Closed { get; } = new("", "");
}

/// <summary>One request as it arrived.</summary>
/// <param name="Head">Request line and headers.</param>
/// <param name="Body">The JSON.</param>
internal sealed record Request(string Head, JsonElement Body)
{
    /// <summary>The completions' texts.</summary>
    public string[] Completions => [.. Body.GetProperty("completions").EnumerateArray().Select(item => item.GetString()!)];
}

/// <summary>A web server on this machine that fails on demand: request number (from 0) and request → reply.</summary>
internal sealed class FaultyServer : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly Func<int, Request, Reply> answer;
    private int count;

    public FaultyServer(Func<int, Request, Reply> answer)
    {
        this.answer = answer;
        listener.Start();
        _ = Accept();
    }

    public List<Request> Requests { get; } = [];

    public string Url => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/score";

    /// <summary>Scores each completion.</summary>
    public static Reply Scores(Request request, Func<string, double> score) =>
        new(JsonSerializer.Serialize(request.Completions.Select(score)));

    public void Dispose()
    {
        stop.Cancel();
        listener.Stop();
        stop.Dispose();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
                _ = Serve(await listener.AcceptTcpClientAsync(stop.Token));
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task Serve(TcpClient client)
    {
        using var connection = client;
        try
        {
            using var stream = client.GetStream();
            var request = await Read(stream);
            Reply reply;
            lock (Requests)
            {
                Requests.Add(request);
                reply = answer(count++, request);
            }

            if (reply.Delay > TimeSpan.Zero)
                await Task.Delay(reply.Delay, stop.Token);
            if (ReferenceEquals(reply, Reply.Closed))
                return;
            var body = Encoding.UTF8.GetBytes(reply.Body);
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {reply.Status}\r\n{reply.Headers}Content-Length: {body.Length}\r\nConnection: close\r\n\r\n"));
            await stream.WriteAsync(body);
        }
        catch (Exception end) when (end is OperationCanceledException or IOException or ObjectDisposedException)
        {
        }
    }

    private static async Task<Request> Read(NetworkStream stream)
    {
        var bytes = new List<byte>();
        var part = new byte[4096];
        var (head, length) = ("", int.MaxValue);
        while (head.Length == 0 || bytes.Count < head.Length + length)
        {
            var read = await stream.ReadAsync(part);
            if (read == 0)
                throw new IOException("the client went away");
            bytes.AddRange(part.AsSpan(0, read));
            var end = head.Length > 0 ? -1 : Encoding.ASCII.GetString([.. bytes]).IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0)
                continue;
            head = Encoding.ASCII.GetString([.. bytes[..(end + 4)]]);
            length = int.Parse(head.Split("\r\n").First(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)).Split(':')[1]);
        }

        return new Request(head, JsonDocument.Parse(bytes[head.Length..].ToArray()).RootElement);
    }
}
