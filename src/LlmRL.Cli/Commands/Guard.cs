using LlmRL.Sweeps;

namespace LlmRL.Cli.Commands;

/// <summary>Turns how a command ended into its exit code: 0 done, 1 failed run, 2 bad input, 130 interrupted.</summary>
internal static class Guard
{
    /// <summary>How the message of a failed run begins.</summary>
    public const string Failed = "failed: ";

    public static int Run(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (BadInputException fault)
        {
            Console.Error.WriteLine(fault.Message);
            return 2;
        }
        catch (OperationCanceledException fault)
        {
            Console.Error.WriteLine(fault is SweepStoppedException ? fault.Message : "Interrupted. Run the same command with --resume to go on.");
            return 130;
        }
        catch (Exception fault) when (fault is NonFiniteException or RunFailedException or IOException or UnauthorizedAccessException or DllNotFoundException)
        {
            Console.Error.WriteLine(Failed + fault.Message);
            return 1;
        }
        catch (Exception fault)
        {
            // A fault of the program itself: its trace is what a bug report needs.
            Console.Error.WriteLine(Failed + fault);
            return 1;
        }
    }
}
