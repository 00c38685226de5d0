using System.Diagnostics;

namespace LlmRL.Cli.Commands;

/// <summary>Starts this program again, in a process of its own.</summary>
internal static class ThisProgram
{
    /// <summary>How the process is started; the caller redirects and sets what it needs.</summary>
    public static ProcessStartInfo Command(IEnumerable<string> arguments)
    {
        // Started as "dotnet llmrl-cli.dll", the process is dotnet's and the program its first argument.
        var program = typeof(ThisProgram).Assembly.Location;
        var isHost = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";
        return new ProcessStartInfo(Environment.ProcessPath!, [.. isHost ? [program] : Array.Empty<string>(), .. arguments]);
    }
}
