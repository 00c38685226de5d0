namespace LlmRL.Recipes;

/// <summary>Where files named in a recipe are looked for: the current folder, then the program's own (so that shipped models and data are found from anywhere).</summary>
public static class ProgramPaths
{
    /// <summary>The folder that holds <c>recipes/</c>, <c>models/</c> and <c>datasets/</c>, or null when the program runs from elsewhere.</summary>
    public static string? Root { get; } = FindRoot();

    /// <summary>The path itself where it exists, else the one below <see cref="Root"/> where that exists, else the path itself.</summary>
    public static string Resolve(string path)
    {
        if (Path.IsPathRooted(path) || File.Exists(path) || Directory.Exists(path) || Root is null)
            return path;
        var below = Path.Combine(Root, path);
        return File.Exists(below) || Directory.Exists(below) ? below : path;
    }

    private static string? FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LlmRL.sln")))
                return folder.FullName;
        }

        return null;
    }
}
