using System.Text.Encodings.Web;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>The form of the JSON files that people read.</summary>
public static class JsonLayout
{
    /// <summary>Indented, with letters beyond ASCII as they are.</summary>
    public static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>One line, with letters beyond ASCII as they are.</summary>
    public static readonly JsonSerializerOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
