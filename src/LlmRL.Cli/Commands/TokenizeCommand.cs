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
        var chat = new Option<bool>("--chat") { Description = "JSON lists of messages in; the model's chat template makes them text." };
        var command = new Command("tokenize", "Reads lines from standard input (a line that starts with a quote is a JSON string) and writes ids.") { tokenizer, decode, special, chat };
        command.SetAction(parsed => Guard.Run(() => Run(parsed.GetValue(tokenizer)!, parsed.GetValue(decode), parsed.GetValue(special), parsed.GetValue(chat))));
        return command;
    }

    private static void Run(string spec, bool decode, bool special, bool chat)
    {
        if (chat && (decode || special))
            throw new BadInputException("tokenize: --chat goes without --decode and --special: the template writes the special tokens.");
        var tokenizer = TokenizerLoader.Load(ProgramPaths.Resolve(spec));
        using var output = new StreamWriter(Console.OpenStandardOutput());
        var number = 0;
        while (Console.In.ReadLine() is { } line)
        {
            number++;
            var place = $"standard input:{number}";
            if (decode)
                output.WriteLine(JsonSerializer.Serialize(tokenizer.Decode(JsonText.ReadIds(line, place, tokenizer.VocabularySize)), Runs.JsonLayout.OneLine));
            else if (chat)
                output.WriteLine("[" + string.Join(", ", Prompting.EncodeRendered(tokenizer, ChatPrompts.RenderList(tokenizer, line, place))) + "]");
            else
                output.WriteLine("[" + string.Join(", ", tokenizer.Encode(JsonText.Read(line, place), special)) + "]");
        }
    }
}
