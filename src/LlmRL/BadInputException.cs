namespace LlmRL;

/// <summary>
/// Input that the user can correct: a misspelt key, a missing file, an unreadable model. The command line prints its message alone, without a
/// stack trace, and exits with code 2. The message names the file, line or key, the value found, and the remedy.
/// </summary>
public sealed class BadInputException : Exception
{
    /// <summary>Creates the error from its one message.</summary>
    public BadInputException(string message) : base(message) { }

    /// <summary>Creates the error from its one message and the fault below it.</summary>
    public BadInputException(string message, Exception innerException) : base(message, innerException) { }
}
