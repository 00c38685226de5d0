namespace LlmRL.Tests;

/// <summary>The folder of reference data that tests compare with; it is not part of the repository.</summary>
public static class Shared
{
    /// <summary><c>LLMRL_SHARED</c>, or <c>shared</c> beside the repository.</summary>
    public static string Root { get; } = Environment.GetEnvironmentVariable("LLMRL_SHARED") is { Length: > 0 } named ? named : BesideRepository();

    /// <summary>A file or folder in it.</summary>
    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    internal static string? WhyAbsent(string relative) =>
        File.Exists(Path(relative)) || Directory.Exists(Path(relative)) ? null : $"needs {relative} under LLMRL_SHARED";

    private static string BesideRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "LlmRL.sln")))
                return System.IO.Path.GetFullPath(System.IO.Path.Combine(folder.FullName, "../shared"));
        }

        return "../shared";
    }
}

/// <summary>A test that is skipped where its reference data is absent.</summary>
public sealed class SharedFactAttribute : FactAttribute
{
    public SharedFactAttribute(string relativePath) => Skip = Shared.WhyAbsent(relativePath);
}

/// <summary>A theory that is skipped where its reference data is absent.</summary>
public sealed class SharedTheoryAttribute : TheoryAttribute
{
    public SharedTheoryAttribute(string relativePath) => Skip = Shared.WhyAbsent(relativePath);
}
