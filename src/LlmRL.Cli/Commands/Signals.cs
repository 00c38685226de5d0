using System.Runtime.InteropServices;

namespace LlmRL.Cli.Commands;

/// <summary>Signals as the program finds them.</summary>
internal static partial class Signals
{
    private const int Interrupt = 2, DefaultHandler = 0;

    /// <summary>
    /// Shells start background jobs of scripts with SIGINT ignored; whoever sends one to a run means it all the same. To be called first of all: .NET looks
    /// at what is ignored when the console is first used.
    /// </summary>
    public static void HeedInterrupts()
    {
        if (!OperatingSystem.IsWindows())
            _ = SetHandler(Interrupt, DefaultHandler);
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);
}
