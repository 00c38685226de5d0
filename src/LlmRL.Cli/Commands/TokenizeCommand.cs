using System.CommandLine;
using System.Text.Json;
using LlmRL.Recipes;
using LlmRL.Tokenization;

namespace LlmRL.Cli.Commands;

/// <summary><c>llmrl tokenize</c>: text lines in, JSON arrays of ids out, and back.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var tokenizer = new Option<string>("--tokenizer") { Description = "bytes, or a tokenizer's file or folder.", Required = true };
        var decode = new Option<bool>("--decode") { Description = "JSON arrays of ids in, JSON strings out." };
        var special = new Option<bool>("--special") { Description = "Add the special tokens that the tokenizer's template adds." };
        var command = new Command("tokenize", "Reads lines from standard input (a line that starts with a quote is a JSON string) and writes ids.") { tokenizer, decode, special };
        command.SetAction(parsed => Guard.Run(() => Run(parsed.GetValue(tokenizer)!, parsed.GetValue(decode), parsed.GetValue(special))));
        return command;
    }

    private static void Run(string spec, bool decode, bool special)
    {
        var tokenizer = TokenizerLoader.Load(ProgramPaths.Resolve(spec));
        using var output = new StreamWriter(Console.OpenStandardOutput());
        var number = 0;
        while (Console.In.ReadLine() is { } line)
        {
            number++;
            try
            {
                if (decode)
                    output.WriteLine(JsonSerializer.Serialize(tokenizer.Decode(JsonSerializer.Deserialize<int[]>(line)), Runs.JsonLayout.OneLine));
                else
                    output.WriteLine("[" + string.Join(", ", tokenizer.Encode(line.StartsWith('"') ? JsonSerializer.Deserialize<string>(line)! : line, special)) + "]");
            }
            catch (JsonException fault)
            {
                throw new BadInputException($"standard input:{number}: {(decode ? "a JSON array of ids" : "a JSON string")} was expected: {fault.Message}", fault);
            }
        }
    }
}
