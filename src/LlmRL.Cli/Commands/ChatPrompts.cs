using System.Text.Json;
using LlmRL.Tokenization;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Cli.Commands;

/// <summary>Messages on the command line become what the model's chat template makes of them.</summary>
internal static class ChatPrompts
{
    /// <summary>A user message, behind a system message where there is one, up to where the assistant answers.</summary>
    public static string Render(Tokenizer tokenizer, string text, string? system)
    {
        ChatMessage[] messages = system is null ? [new("user", text)] : [new("system", system), new("user", text)];
        return Prompting.ChatTemplateOf(tokenizer).Render(messages, addGenerationPrompt: true);
    }

    /// <summary>A conversation as a JSON list of messages. It ends where the assistant answers, unless the last message is the assistant's.</summary>
    /// <param name="tokenizer">Has the template.</param>
    /// <param name="line">The list.</param>
    /// <param name="place">Its file and line, for messages.</param>
    public static string RenderList(Tokenizer tokenizer, string line, string place)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var messages = ChatMessage.ReadList(document.RootElement, place);
            return Prompting.ChatTemplateOf(tokenizer).Render(messages, addGenerationPrompt: messages is not [.., { Role: "assistant" }]);
        }
        catch (JsonException fault)
        {
            throw new BadInputException($"{place}: not valid JSON; write a list of messages such as [{{\"role\": \"user\", \"content\": \"Hi\"}}] on one line", fault);
        }
    }
}
