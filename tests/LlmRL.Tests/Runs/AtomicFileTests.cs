using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class AtomicFileTests
{
    [Fact]
    public void Replaces_the_old_content_and_leaves_no_temporary_file()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteAllText(folder["a.txt"], "a long first content");
        AtomicFile.WriteAllText(folder["a.txt"], "grüße");
        Assert.Equal("grüße"u8.ToArray(), File.ReadAllBytes(folder["a.txt"]));
        Assert.Equal([folder["a.txt"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_writer_that_fails_half_way_leaves_the_old_file_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteAllText(folder["a.txt"], "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(folder["a.txt"], stream =>
        {
            stream.Write("half"u8);
            throw new InvalidOperationException();
        }));
        Assert.Equal("old", File.ReadAllText(folder["a.txt"]));
        Assert.Equal([folder["a.txt"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void The_new_content_is_invisible_until_it_is_whole()
    {
        using var folder = new TemporaryFolder();
        AtomicFile.WriteAllText(folder["a.txt"], "old");
        string? seen = null;
        AtomicFile.Write(folder["a.txt"], stream =>
        {
            stream.Write("new"u8);
            stream.Flush();
            seen = File.ReadAllText(folder["a.txt"]);
        });
        Assert.Equal("old", seen);
        Assert.Equal("new", File.ReadAllText(folder["a.txt"]));
    }

    [Fact]
    public void An_io_error_names_the_file()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder["missing"], "a.txt");
        var error = Assert.Throws<IOException>(() => AtomicFile.WriteAllText(path, "x"));
        Assert.Contains(path, error.Message);
        Directory.CreateDirectory(folder["taken"]);
        Assert.Contains(folder["taken"], Assert.Throws<IOException>(() => AtomicFile.WriteAllText(folder["taken"], "x")).Message);
        Assert.Equal([folder["taken"]], Directory.GetFileSystemEntries(folder.Path));
    }
}
