using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmRL.Cli.Tests;

/// <summary>What a process said and how it ended.</summary>
public sealed record Outcome(int ExitCode, string Output, string Error)
{
    /// <summary>The error text without notes about the machine, which are no message of a fault.</summary>
    public string Message => string.Join('\n', Error.Split('\n').Where(line => !line.StartsWith("OPENBLAS", StringComparison.Ordinal) && line.Length > 0));

    public Outcome Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}\n{Output}\n{Error}");
        return this;
    }

    /// <summary>Bad input: exit code 2 and one message, which holds the given texts.</summary>
    public Outcome Refused(params string[] texts)
    {
        Assert.True(ExitCode == 2, $"exit code {ExitCode}\n{Output}\n{Error}");
        Assert.DoesNotContain("   at ", Error);
        Assert.DoesNotContain("Exception", Error);
        Assert.DoesNotContain("System.", Error);
        foreach (var text in texts)
            Assert.Contains(text, Message);
        return this;
    }

    /// <summary>As <see cref="Refused"/>, with a message of a single line.</summary>
    public Outcome RefusedInOneLine(params string[] texts)
    {
        Refused(texts);
        Assert.DoesNotContain('\n', Message);
        return this;
    }
}

/// <summary>Starts the built program as a process.</summary>
internal static partial class Llmrl
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static string Root { get; } = FindRoot();

    private static string Program { get; } = Path.Combine(Root, "src", "LlmRL.Cli", "bin", Configuration(), "net10.0", "llmrl-cli.dll");

    /// <summary>Runs a command to its end.</summary>
    public static Outcome Run(string folder, params string[] arguments) => RunWithInput(folder, "", arguments);

    public static Outcome RunWithInput(string folder, string input, params string[] arguments)
    {
        using var running = Start(folder, arguments);
        running.Process.StandardInput.Write(input);
        running.Process.StandardInput.Close();
        return running.WaitForEnd();
    }

    public static Running Start(string folder, params string[] arguments) => Start(folder, new Dictionary<string, string>(), arguments);

    /// <summary>The same with more environment variables.</summary>
    public static Running Start(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        // As a script's background job starts: with SIGINT ignored, which must not make the program deaf to it.
        var start = new ProcessStartInfo("bash", ["-c", "trap '' INT; exec dotnet \"$0\" \"$@\"", Program, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        // Several processes share the cores here.
        start.Environment["OMP_WAIT_POLICY"] = "passive";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return new Running(System.Diagnostics.Process.Start(start)!);
    }

    /// <summary>A process that may be sent signals.</summary>
    public sealed partial class Running : IDisposable
    {
        private readonly Task<string> output, error;

        public Running(Process process)
        {
            Process = process;
            (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        }

        public Process Process { get; }

        public void Interrupt() => _ = Kill(Process.Id, 2);

        public Outcome WaitForEnd(TimeSpan? limit = null)
        {
            Assert.True(Process.WaitForExit(limit ?? Limit), "the program did not end in time");
            return new Outcome(Process.ExitCode, output.Result, error.Result);
        }

        /// <summary>Waits until a stage has logged so many steps, or the process is gone.</summary>
        public void WaitForSteps(string metricsPath, string stage, int steps)
        {
            var clock = Stopwatch.StartNew();
            while (!Process.HasExited && CountSteps(metricsPath, stage) < steps)
            {
                Assert.True(clock.Elapsed < Limit, $"stage {stage} logged no {steps} steps");
                Thread.Sleep(2);
            }
        }

        public void Dispose()
        {
            if (!Process.HasExited)
                Process.Kill();
            Process.Dispose();
        }

        private static int CountSteps(string path, string stage)
        {
            if (!File.Exists(path))
                return 0;
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return new StreamReader(stream).ReadToEnd().Split('\n').Count(line => line.Contains($"\"stage\":\"{stage}\"", StringComparison.Ordinal));
        }

        [LibraryImport("libc", EntryPoint = "kill")]
        private static partial int Kill(int process, int signal);
    }

    private static string Configuration() => AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LlmRL.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException("LlmRL.sln is in no folder above the tests");
    }
}
